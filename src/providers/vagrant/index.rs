//! Vagrant's list of all machines of a user, in which those of a lost folder would stay for ever.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    effects::{
        computer::{Computer, variable},
        state_directory::write_private,
    },
    failure::{Failure, STATE_UNUSABLE},
};

/// The list, version 1 of its format.
pub struct Index {
    home: PathBuf,
    folder: PathBuf,
}

impl Index {
    /// The list of this user.
    pub fn new(computer: &Computer) -> Self {
        let home = variable("VAGRANT_HOME").map(PathBuf::from);
        let home = home.or_else(|| computer.home().map(|home| home.join(".vagrant.d"))).unwrap_or_default();
        Self { folder: home.join("data/machine-index"), home }
    }

    /// Returns where Vagrant keeps what is the user's and of no environment: boxes, this list.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the names of the machines that it has of an environment, whose memory is in this folder.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn machines(&self, memory: &Path) -> Result<Vec<String>, Failure> {
        let Some(document) = self.read().map_err(|error| self.unusable(&error))? else { return Ok(Vec::new()) };
        let machines = document["machines"].as_object().into_iter().flatten().map(|(_, machine)| machine);
        let ours = machines.filter(|machine| is_of(machine, memory));
        Ok(ours.map(|machine| machine["name"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Forgets the machines of an environment. Returns whether there were any.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn forget(&self, memory: &Path) -> Result<bool, Failure> {
        if self.machines(memory)?.is_empty() {
            return Ok(false);
        }
        self.without(memory).map_err(|error| self.unusable(&error))?;
        Ok(true)
    }

    /// Vagrant locks a file beside the list while it changes it.
    fn without(&self, memory: &Path) -> io::Result<()> {
        let lock = File::options().write(true).create(true).truncate(false).open(self.folder.join("index.lock"))?;
        lock.lock()?;
        let Some(mut document) = self.read()? else { return Ok(()) };
        if let Some(machines) = document["machines"].as_object_mut() {
            machines.retain(|_, machine| !is_of(machine, memory));
        }
        write_private(&self.path(), &document.to_string())
    }

    fn read(&self) -> io::Result<Option<Value>> {
        match fs::read(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("index")
    }

    fn unusable(&self, error: &io::Error) -> Failure {
        Failure::new(&STATE_UNUSABLE, format!("cannot use {}", self.path().display())).because(error)
    }
}

fn is_of(machine: &Value, memory: &Path) -> bool {
    machine["local_data_path"].as_str().is_some_and(|path| Path::new(path) == memory)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_machines_of_one_environment_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index { home: PathBuf::new(), folder: folder.path().into() };
        let machine = |path: &str, name: &str| json!({"local_data_path": path, "name": name, "provider": "libvirt"});
        let list =
            json!({"version": 1, "machines": {"1": machine("/a/.vagrant", "one"), "2": machine("/b/.vagrant", "two")}});
        fs::write(index.path(), list.to_string()).unwrap();
        assert_eq!(index.machines(Path::new("/a/.vagrant")).unwrap(), ["one"]);
        assert!(index.forget(Path::new("/a/.vagrant")).unwrap());
        assert!(!index.forget(Path::new("/a/.vagrant")).unwrap());
        assert_eq!(index.machines(Path::new("/b/.vagrant")).unwrap(), ["two"]);
    }

    #[test]
    fn there_may_be_no_list() {
        let index = Index { home: PathBuf::new(), folder: "/nowhere".into() };
        assert!(!index.forget(Path::new("/a/.vagrant")).unwrap());
    }
}
