//! The machines that a cluster was given, remembered so that one that is no longer listed can be given back.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    effects::state_directory::write_private,
    failure::{Failure, STATE_UNUSABLE},
    model::Role,
};

/// A machine and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshMachine {
    pub name: String,
    pub role: Role,
    /// What the user would call `ssh` with.
    pub address: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Private key to log in with.
    pub key: Option<PathBuf>,
}

/// The file that remembers them.
pub struct Record {
    path: PathBuf,
}

impl Record {
    /// In the state directory `folder`, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { path: folder.join("ssh-machines.json") }
    }

    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load(&self) -> Result<Vec<SshMachine>, Failure> {
        match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.unusable("read", &error)),
            Ok(text) => serde_json::from_slice(&text).map_err(|error| self.unusable("read", &error)),
        }
    }

    /// Remembers a machine. Returns whether it was not remembered like this before.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn add(&self, machine: &SshMachine) -> Result<bool, Failure> {
        let mut machines = self.load()?;
        if machines.contains(machine) {
            return Ok(false);
        }
        machines.retain(|known| known.name != machine.name);
        machines.push(machine.clone());
        self.save(&machines)?;
        Ok(true)
    }

    /// Forgets a machine.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn remove(&self, name: &str) -> Result<(), Failure> {
        let mut machines = self.load()?;
        machines.retain(|known| known.name != name);
        self.save(&machines)
    }

    /// Forgets all machines.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn clear(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.unusable("remove", &error)),
            _ => Ok(()),
        }
    }

    /// Returns the port of this computer at which the API is reached through a tunnel; 0 when none was chosen.
    ///
    /// # Errors
    /// When its file is there and cannot be read.
    pub fn api_port(&self) -> Result<u16, Failure> {
        match fs::read_to_string(self.port_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(self.unusable("read", &error)),
            Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        }
    }

    /// Remembers the port, so that kubeconfigs stay true.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn keep_api_port(&self, port: u16) -> Result<(), Failure> {
        write_private(&self.port_file(), &port.to_string()).map_err(|error| self.unusable("write", &error))
    }

    fn port_file(&self) -> PathBuf {
        self.path.with_file_name("api-port")
    }

    fn save(&self, machines: &[SshMachine]) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(machines).expect("machines are JSON");
        write_private(&self.path, &text).map_err(|error| self.unusable("write", &error))
    }

    fn unusable(&self, verb: &str, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(&STATE_UNUSABLE, format!("cannot {verb} {}", self.path.display())).because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_remembered_until_they_are_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::new(folder.path().into());
        let machine = |name: &str| SshMachine {
            name: name.into(),
            role: Role::Agent,
            address: "10.0.0.4".into(),
            user: None,
            port: None,
            key: None,
        };
        assert!(record.add(&machine("a1")).unwrap());
        assert!(!record.add(&machine("a1")).unwrap());
        record.add(&machine("a2")).unwrap();
        record.remove("a1").unwrap();
        assert_eq!(record.load().unwrap(), [machine("a2")]);
        for _ in 0..2 {
            record.clear().unwrap();
            assert_eq!(record.load().unwrap(), []);
        }
    }
}
