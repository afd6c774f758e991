//! Vagrant itself, in the folder that holds the Vagrantfile.

use std::{
    cell::Cell,
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::machine_readable::{Line, Said};
use crate::{
    effects::exec::Program,
    failure::{Failure, STATE_UNUSABLE, VAGRANT_BUSY, VAGRANT_FAILED, VAGRANT_MISSING},
    model::PackageManager,
};

/// Vagrant says something at least so often, whatever it does: a box that is fetched shows its progress, a machine that
/// gets no address is given up after this.
const PATIENCE: Duration = Duration::from_secs(660);
/// How long the Vagrant of an interrupted run may take to end when it is asked to.
const ENDS: Duration = Duration::from_secs(5);

/// How a command of Vagrant ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Well,
    /// With an error, in Vagrant's words.
    Badly(String),
}

/// The folder of one cluster's Vagrantfile.
pub struct Environment {
    folder: PathBuf,
    provider: &'static str,
    manager: Option<PackageManager>,
    /// Nothing of an earlier run works here any longer.
    alone: Cell<bool>,
}

impl Environment {
    pub fn new(folder: PathBuf, provider: &'static str, manager: Option<PackageManager>) -> Self {
        Self { folder, provider, manager, alone: Cell::new(false) }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder in which Vagrant remembers.
    pub fn memory(&self) -> PathBuf {
        self.folder.join(".vagrant")
    }

    /// Runs Vagrant to its end; `on_line` hears what it says.
    ///
    /// # Errors
    /// When it cannot be run, or falls silent.
    pub async fn vagrant(&self, args: &[&str], mut on_line: impl FnMut(&Line)) -> Result<Ended, Failure> {
        self.end_earlier().await?;
        let held = self.hold()?;
        let program = Program::new("vagrant")
            .args(args.iter().copied().chain(["--machine-readable"]))
            .env("VAGRANT_CWD", self.folder.as_os_str())
            .env("VAGRANT_DOTFILE_PATH", self.memory())
            .env("VAGRANT_CHECKPOINT_DISABLE", "1")
            .env("VAGRANT_DEFAULT_PROVIDER", self.provider)
            .env("LC_ALL", "C.UTF-8")
            .folder(self.folder.clone())
            .patience(PATIENCE)
            .holding(held);
        let (mut error, mut plain) = (None, String::new());
        let mut last = String::new();
        let finished = program.run(
            |id| self.note(id),
            |text| match Line::parse(text) {
                Some(Line { said: Said::Error { message, .. }, .. }) => error = Some(message),
                Some(line) => {
                    if let Said::Words(words) = &line.said {
                        last.clone_from(words);
                    }
                    on_line(&line);
                }
                None => plain = format!("{plain}{text}\n"),
            },
        );
        let finished = finished.await.map_err(|problem| match problem.is_missing() {
            true => Failure::new(&VAGRANT_MISSING, "Vagrant is not installed")
                .because(problem)
                .hint(PackageManager::installs_vagrant(self.manager)),
            false => Failure::new(&VAGRANT_FAILED, format!("`vagrant {}` did not end", args.join(" ")))
                .because(problem)
                .hint("./orchestrator doctor"),
        })?;
        if finished.status.success() {
            return Ok(Ended::Well);
        }
        // Before it has read its configuration it speaks plainly, and elsewhere; the cause may be what it said before.
        let said = format!("{plain}{}", finished.stderr.trim());
        let said = if said.trim().is_empty() { finished.status.to_string() } else { said };
        Ok(Ended::Badly(error.unwrap_or_else(|| format!("{last}\n{said}").trim().to_owned())))
    }

    /// Has Vagrant know a machine that the hypervisor has.
    ///
    /// # Errors
    /// When its memory cannot be written.
    pub fn adopt(&self, machine: &str, uuid: &str) -> Result<(), Failure> {
        let folder = self.memory().join("machines").join(machine).join(self.provider);
        let path = folder.join("id");
        if fs::read_to_string(&path).is_ok_and(|known| known == uuid) {
            return Ok(());
        }
        fs::create_dir_all(&folder).and_then(|()| fs::write(&path, uuid)).map_err(|error| self.unusable(&error))
    }

    /// Forgets what Vagrant remembers of the cluster.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget(&self) -> Result<(), Failure> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.unusable(&error)),
            _ => Ok(()),
        }
    }

    /// Ends what an interrupted run left working here: only then is it known what there is. The lock of the cluster is
    /// held, so nobody waits for it.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn end_earlier(&self) -> Result<(), Failure> {
        if self.alone.get() || !self.folder.exists() {
            return Ok(());
        }
        let file = self.open()?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => {
                    self.alone.set(true);
                    return file.set_len(0).map_err(|error| self.unusable(&error));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(self.unusable(&error)),
            }
            let text = fs::read_to_string(self.lock()).unwrap_or_default();
            let groups: Vec<_> = text.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw).collect();
            if began.elapsed() > 3 * ENDS {
                let failure =
                    Failure::new(&VAGRANT_BUSY, "the Vagrant of an interrupted run still works on the machines");
                return Err(failure.hint("wait for it to end: ps -C vagrant"));
            }
            let signal = if began.elapsed() < ENDS { Signal::TERM } else { Signal::KILL };
            for group in groups {
                let _ = kill_process_group(group, signal); // it may have ended
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Returns the file whose lock tells that Vagrant works here, locked together with the others of this run.
    fn hold(&self) -> Result<File, Failure> {
        let file = self.open()?;
        file.lock_shared().map_err(|error| self.unusable(&error))?;
        Ok(file)
    }

    fn note(&self, id: u32) {
        let append = File::options().append(true).open(self.lock());
        let _ = append.and_then(|mut file| writeln!(file, "{id}")); // it is only missed after a crash, and waited for then
    }

    fn open(&self) -> Result<File, Failure> {
        let options = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(self.lock());
        options.map_err(|error| self.unusable(&error))
    }

    fn lock(&self) -> PathBuf {
        self.folder.join("vagrant.lock")
    }

    fn unusable(&self, error: &io::Error) -> Failure {
        Failure::new(&STATE_UNUSABLE, format!("cannot use {}", self.folder.display())).because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_an_interrupted_run_left_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let environment = || Environment::new(folder.path().into(), "libvirt", None);
        let earlier = environment();
        let held = earlier.hold().unwrap();
        let program = Program::new("sh").args(["-c", "trap '' TERM; echo up; sleep 60 & wait"]).holding(held);
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut tell = Some(tell);
        let works = program.run(
            |id| earlier.note(id),
            |_| {
                tell.take().map(|tell| tell.send(()));
            },
        );
        let ends = async {
            told.await.unwrap();
            environment().end_earlier().await
        };
        let (finished, ended) = tokio::join!(works, ends);
        ended.unwrap();
        assert!(!finished.unwrap().status.success());
    }

    #[test]
    fn a_machine_is_adopted_by_its_uuid() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::new(folder.path().into(), "libvirt", None);
        environment.adopt("a-1", "49fa50e1").unwrap();
        let id = folder.path().join(".vagrant/machines/a-1/libvirt/id");
        assert_eq!(fs::read_to_string(id).unwrap(), "49fa50e1");
        environment.forget().unwrap();
        environment.forget().unwrap();
        assert!(!folder.path().exists());
    }
}
