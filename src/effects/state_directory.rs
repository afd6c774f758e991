//! `.orchestrator/<cluster>/` beside `orchestrator.toml`: what cannot be observed again, and what each run did.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use super::lock::Lock;
use super::lock::{self, Asked};
use crate::failure::{Failure, LOCKED, STATE_UNUSABLE};

/// The folder that holds one folder per cluster.
pub const ROOT: &str = ".orchestrator";

/// What cannot be observed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Random, given once: everything the cluster owns is tagged with it.
    pub id: String,
    /// `rehearsal`, `vagrant`, `ec2`, `ssh`.
    pub provider: String,
    /// The secret with which nodes join.
    pub token: String,
    /// Whether the user's own kubeconfig was given this cluster, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<PathBuf>,
    /// It was made by this run: the cluster is new, or its state directory was lost.
    #[serde(skip)]
    pub new: bool,
}

/// The state directory of one cluster. It need not exist.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    root: PathBuf,
    path: PathBuf,
}

impl StateDirectory {
    /// The state directory of `cluster`, for a configuration in the folder `base`.
    pub fn new(base: &Path, cluster: &str) -> Self {
        let root = base.join(ROOT);
        let path = root.join(cluster);
        Self { root, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// Returns the text of the kubeconfig, if there is one.
    pub fn read_kubeconfig(&self) -> Option<String> {
        fs::read_to_string(self.kubeconfig()).ok()
    }

    pub fn runs(&self) -> PathBuf {
        self.path.join("runs")
    }

    /// Makes the directory, readable by its owner alone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn prepare(&self) -> Result<(), Failure> {
        let make = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
            fs::set_permissions(&self.path, Permissions::from_mode(0o700))?;
            let ignore = self.root.join(".gitignore");
            if ignore.exists() { Ok(()) } else { write_private(&ignore, "*\n") }
        };
        make().map_err(|error| self.unusable("make", &self.path, &error))
    }

    /// Takes the lock for `command`, waiting for nobody.
    ///
    /// # Errors
    /// When another run holds it: the failure names its process and command.
    pub fn lock(&self, command: &str) -> Result<Lock, Failure> {
        let path = self.path.join("lock");
        match lock::ask(&path, &format!("`orchestrator {command}`")) {
            Ok(Asked::Got(lock)) => Ok(lock),
            Ok(Asked::HeldBy(holder)) => Err(Failure::new(&LOCKED, format!("{holder} is working on this cluster"))
                .hint("wait for it to end, or interrupt it with Ctrl-C where it runs")),
            Err(error) => Err(self.unusable("open", &path, &error)),
        }
    }

    /// Reads `state.json`; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load(&self) -> Result<Option<State>, Failure> {
        let path = self.path.join("state.json");
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| self.unusable("read", &path, &error))?,
        };
        serde_json::from_str(&text).map(Some).map_err(|error| self.unusable("read", &path, &error))
    }

    /// Writes `state.json` whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, state: &State) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(state).expect("a state is JSON");
        self.write("state.json", &text)
    }

    /// Writes a file of this directory whole or not at all, readable by its owner alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        write_private(&path, text).map_err(|error| self.unusable("write", &path, &error))
    }

    /// Begins the log of a run and returns its file, named after the time.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin_run(&self, command: &str) -> Result<File, Failure> {
        let runs = self.runs();
        let begin = || -> io::Result<File> {
            DirBuilder::new().recursive(true).mode(0o700).create(&runs)?;
            let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ").to_string();
            let path = runs.join(format!("{time}-{command}.jsonl"));
            File::options().create(true).append(true).mode(0o600).open(path)
        };
        begin().map_err(|error| self.unusable("write in", &runs, &error))
    }

    /// Returns the logs of the runs so far, oldest first.
    pub fn list_runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.runs()).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        paths.sort();
        paths
    }

    /// Removes the directory, and its parent when no other cluster is in it.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(&self) -> Result<(), Failure> {
        let remove = || -> io::Result<()> {
            match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let others = fs::read_dir(&self.root)?.flatten().any(|entry| entry.file_name() != ".gitignore");
            if others { Ok(()) } else { fs::remove_dir_all(&self.root) }
        };
        match remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.unusable("remove", &self.path, &error)),
            _ => Ok(()),
        }
    }

    fn unusable(&self, verb: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(&STATE_UNUSABLE, format!("cannot {verb} {}", path.display()))
            .because(error)
            .hint(format!("ls -la {}", self.root.display()))
    }
}

/// Writes a file by a rename, mode 0600, so that nobody ever sees half of it.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn everything_is_readable_by_its_owner_alone() {
        let base = tempfile::tempdir().unwrap();
        let directory = StateDirectory::new(base.path(), "one");
        directory.prepare().unwrap();
        let state =
            State { id: "x".into(), provider: "rehearsal".into(), token: "t".into(), merged_into: None, new: false };
        directory.save(&state).unwrap();
        directory.begin_run("create").unwrap();
        assert_eq!(mode(directory.path()), 0o700);
        assert_eq!(mode(&directory.path().join("state.json")), 0o600);
        assert_eq!(mode(&directory.list_runs()[0]), 0o600);
        assert_eq!(directory.load().unwrap(), Some(state));
    }

    #[test]
    fn a_second_run_is_told_who_holds_the_lock() {
        let base = tempfile::tempdir().unwrap();
        let directory = StateDirectory::new(base.path(), "one");
        directory.prepare().unwrap();
        let held = directory.lock("create").unwrap();
        let failure = directory.lock("destroy").unwrap_err();
        assert_eq!(failure.exit_code(), 10);
        let expected = format!("process {} (`orchestrator create`)", std::process::id());
        assert!(failure.what.starts_with(&expected), "{}", failure.what);
        drop(held);
        directory.lock("destroy").unwrap();
    }

    #[test]
    fn the_last_cluster_takes_the_whole_folder_with_it() {
        let base = tempfile::tempdir().unwrap();
        let (one, two) = (StateDirectory::new(base.path(), "one"), StateDirectory::new(base.path(), "two"));
        one.prepare().unwrap();
        two.prepare().unwrap();
        one.remove().unwrap();
        assert!(two.exists());
        two.remove().unwrap();
        assert!(!base.path().join(ROOT).exists());
        two.remove().unwrap();
    }
}
