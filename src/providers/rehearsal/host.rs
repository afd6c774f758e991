use std::time::Duration;

use async_trait::async_trait;

use super::RehearsalProvider;
use crate::{
    effects::host::{Host, OnLine, OnProgress},
    failure::{Failure, MACHINE_NOT_ANSWERING},
    model::{
        Done, Facts, Machine, RemoteFile, UnitState,
        image::{ImageArchive, NodeImages},
        probe::Probe,
    },
    rehearsal::protocol::{Answer, Call, Operation},
};

/// How often a followed journal is read.
const READ_EVERY: Duration = Duration::from_millis(500);

/// A machine that the rehearsal process plays.
pub struct RehearsalHost<'p> {
    provider: &'p RehearsalProvider,
    name: String,
}

impl<'p> RehearsalHost<'p> {
    pub fn new(provider: &'p RehearsalProvider, machine: &Machine) -> Self {
        Self { provider, name: machine.name.clone() }
    }

    async fn operate(&self, operation: Operation) -> Result<Answer, Failure> {
        match self.provider.call(&Call::On(self.name.clone(), operation)).await? {
            Answer::NotAnswering(words) => Err(self.silent(&words)),
            answer => Ok(answer),
        }
    }

    fn silent(&self, because: &dyn std::fmt::Display) -> Failure {
        Failure::new(&MACHINE_NOT_ANSWERING, format!("machine `{}` does not answer", self.name))
            .because(because)
            .hint("./orchestrator status")
    }

    fn unexpected(&self, answer: &Answer) -> Failure {
        self.silent(&format!("unexpected answer {answer:?}"))
    }

    async fn done(&self, operation: Operation) -> Result<Done<()>, Failure> {
        match self.operate(operation).await? {
            Answer::Done { changed } => Ok(Done::when(changed, ())),
            answer => Err(self.unexpected(&answer)),
        }
    }
}

#[async_trait(?Send)]
impl Host for RehearsalHost<'_> {
    async fn facts(&self) -> Result<Facts, Failure> {
        match self.operate(Operation::Facts).await? {
            Answer::Facts(facts) => Ok(*facts),
            answer => Err(self.unexpected(&answer)),
        }
    }

    async fn put(&self, files: &[RemoteFile], _: OnProgress<'_>) -> Result<Done<Vec<String>>, Failure> {
        match self.operate(Operation::Put(files.to_vec())).await? {
            Answer::Changed(paths) => Ok(Done::when(!paths.is_empty(), paths)),
            answer => Err(self.unexpected(&answer)),
        }
    }

    async fn read(&self, path: &str) -> Result<Option<String>, Failure> {
        match self.operate(Operation::Read(path.into())).await? {
            Answer::File(text) => Ok(text),
            answer => Err(self.unexpected(&answer)),
        }
    }

    async fn k3s_version(&self) -> Result<String, Failure> {
        match self.operate(Operation::K3sVersion).await? {
            Answer::Text(version) => Ok(version),
            answer => Err(self.unexpected(&answer)),
        }
    }

    async fn start_unit(&self, unit: &str, restart: bool) -> Result<Done<Option<i64>>, Failure> {
        let at = jiff::Timestamp::now().as_second();
        Ok(self.done(Operation::StartUnit { unit: unit.into(), restart }).await?.map(|()| Some(at)))
    }

    async fn stop_unit(&self, unit: &str) -> Result<Done<()>, Failure> {
        self.done(Operation::StopUnit(unit.into())).await
    }

    async fn unit_state(&self, unit: &str) -> Result<UnitState, Failure> {
        match self.operate(Operation::UnitState(unit.into())).await? {
            Answer::Unit(state) => Ok(state),
            answer => Err(self.unexpected(&answer)),
        }
    }

    async fn journal(&self, unit: &str, lines: usize) -> Result<String, Failure> {
        match self.operate(Operation::Journal { unit: unit.into(), lines }).await? {
            Answer::Text(text) => Ok(text),
            answer => Err(self.unexpected(&answer)),
        }
    }

    async fn follow_journal(&self, unit: &str, lines: usize, on_line: OnLine<'_>) -> Result<(), Failure> {
        let mut before = String::new();
        loop {
            let now = self.journal(unit, lines.max(1)).await?;
            for line in fresh(&before, &now) {
                on_line(line);
            }
            before = now;
            tokio::time::sleep(READ_EVERY).await;
        }
    }

    async fn save_snapshot(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    async fn probe(&self, _: Option<&str>) -> Result<Probe, Failure> {
        Ok(Probe::default())
    }

    async fn images(&self) -> Result<NodeImages, Failure> {
        match self.operate(Operation::Images).await? {
            Answer::Names(names) => Ok(NodeImages {
                complete: names.into_iter().map(|name| (name, String::new())).collect(),
                ..NodeImages::default()
            }),
            answer => Err(self.unexpected(&answer)),
        }
    }

    async fn import_images(&self, archive: &ImageArchive, _: OnProgress<'_>) -> Result<(), Failure> {
        self.done(Operation::DeliverImages(archive.names.clone())).await.map(drop)
    }
}

/// Returns the lines of `now` that are not the end of `before`.
fn fresh<'n>(before: &str, now: &'n str) -> Vec<&'n str> {
    let before: Vec<_> = before.lines().collect();
    let mut now: Vec<_> = now.lines().collect();
    let known = (0..=now.len()).rev().find(|&count| before.ends_with(&now[..count])).unwrap_or(0);
    now.split_off(known)
}

#[cfg(test)]
mod tests {
    use super::fresh;

    #[test]
    fn only_lines_that_were_not_there_are_fresh() {
        assert_eq!(fresh("a\nb\nc", "b\nc\nd"), ["d"]);
        assert_eq!(fresh("", "a"), ["a"]);
        assert_eq!(fresh("a\na", "a\na"), Vec::<&str>::new());
        assert_eq!(fresh("a", "b\nc"), ["b", "c"]);
    }
}
