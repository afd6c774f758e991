use async_trait::async_trait;

use super::RehearsalProvider;
use crate::{
    effects::host::Host,
    failure::{Failure, MACHINE_NOT_ANSWERING},
    model::{Done, Facts, Machine, RemoteFile, UnitState},
    rehearsal::protocol::{Answer, Call, Operation},
};

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
            Answer::Facts(facts) => Ok(facts),
            answer => Err(self.unexpected(&answer)),
        }
    }

    async fn put(&self, files: &[RemoteFile]) -> Result<Done<Vec<String>>, Failure> {
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

    async fn start_unit(&self, unit: &str, restart: bool) -> Result<Done<()>, Failure> {
        self.done(Operation::StartUnit { unit: unit.into(), restart }).await
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

    async fn deliver_images(&self, references: &[String]) -> Result<Done<()>, Failure> {
        self.done(Operation::DeliverImages(references.to_vec())).await
    }
}
