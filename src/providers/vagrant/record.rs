//! What is remembered of virtual machines: what they were made with, and what they said of themselves.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    config::Hypervisor,
    effects::state_directory::write_private,
    failure::{Failure, STATE_UNUSABLE},
    model::MachineSpec,
};

/// What is remembered of a cluster's machines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// What the cluster's names begin with: it stays when the folder is moved.
    pub prefix: Option<String>,
    /// What runs the machines.
    pub hypervisor: Option<Hypervisor>,
    /// The private network that was chosen.
    pub network: Option<Ipv4Net>,
    pub management: Option<Ipv4Net>,
    /// By name.
    pub machines: BTreeMap<String, Known>,
}

/// A machine that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// What it was last booted with.
    pub spec: MachineSpec,
    /// Its address in the private network; `None` when it has none there.
    pub address: Option<String>,
    /// Its public host key, as OpenSSH writes it; `None` until it has booted.
    pub host_key: Option<String>,
}

impl Known {
    /// A machine that is about to be made.
    pub fn begun(spec: MachineSpec) -> Self {
        Self { spec, address: None, host_key: None }
    }

    /// Whether it booted to the end: its key is known, and its address.
    pub fn is_whole(&self) -> bool {
        self.address.is_some() && self.host_key.is_some()
    }
}

/// The files that remember, in the cluster's state directory.
pub struct Record {
    folder: PathBuf,
}

impl Record {
    /// In `folder`, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load(&self) -> Result<Remembered, Failure> {
        match fs::read(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Remembered::default()),
            Err(error) => Err(self.unusable("read", &error)),
            Ok(text) => serde_json::from_slice(&text).map_err(|error| self.unusable("read", &error)),
        }
    }

    /// Changes what is remembered, and the host keys that SSH knows.
    ///
    /// # Errors
    /// When the files cannot be read or written.
    pub fn change(&self, change: impl FnOnce(&mut Remembered)) -> Result<(), Failure> {
        let mut remembered = self.load()?;
        change(&mut remembered);
        let keys = remembered.machines.values().filter_map(|known| {
            let (address, key) = (known.address.as_ref()?, known.host_key.as_ref()?);
            Some(format!("{address} {key}\n"))
        });
        let text = serde_json::to_string_pretty(&remembered).expect("what is remembered is JSON");
        fs::create_dir_all(&self.folder)
            .and_then(|()| write_private(&self.known_hosts(), &keys.collect::<String>()))
            .and_then(|()| write_private(&self.path(), &text))
            .map_err(|error| self.unusable("write", &error))
    }

    /// Returns the known_hosts file.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    fn path(&self) -> PathBuf {
        self.folder.join("machines.json")
    }

    fn unusable(&self, verb: &str, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(&STATE_UNUSABLE, format!("cannot {verb} {}", self.path().display())).because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;

    #[test]
    fn host_keys_are_known_under_the_address_that_a_machine_has_now() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::new(folder.path().join("lost"));
        let spec = MachineSpec { name: "a".into(), role: Role::Agent, cpus: 1, memory: 1, disk: 1 };
        let mut known = Known { host_key: Some("ssh-ed25519 AAAA".into()), ..Known::begun(spec) };
        for (address, line) in
            [("10.0.0.4", "10.0.0.4 ssh-ed25519 AAAA\n"), ("10.0.0.5", "10.0.0.5 ssh-ed25519 AAAA\n")]
        {
            known.address = Some(address.into());
            record.change(|remembered| drop(remembered.machines.insert("a".into(), known.clone()))).unwrap();
            assert_eq!(fs::read_to_string(record.known_hosts()).unwrap(), line);
        }
        assert_eq!(record.load().unwrap().machines["a"], known);
    }
}
