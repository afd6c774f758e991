//! What the provider and the rehearsal process say to each other, and the files through which they find each other.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::faults::Faults;
use crate::model::{Facts, Machine, MachineSpec, RemoteFile, UnitState};

/// The path below which the API's server hands requests to the machines.
pub const PATH: &str = "/rehearsal/v1/call";

/// What the provider asks of the rehearsal process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    Configure(Settings),
    Create(MachineSpec),
    Start(String),
    Stop(String),
    Destroy(String),
    /// An operation on the machine of that name.
    On(String, Operation),
    /// The process ends after its answer.
    Shutdown,
}

/// The operations of a host, as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    Facts,
    Put(Vec<RemoteFile>),
    Read(String),
    K3sVersion,
    StartUnit { unit: String, restart: bool },
    StopUnit(String),
    UnitState(String),
    Journal { unit: String, lines: usize },
    Images,
    DeliverImages(Vec<String>),
}

/// What the rehearsal process answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Done {
        changed: bool,
    },
    Machine {
        changed: bool,
        machine: Machine,
    },
    Facts(Box<Facts>),
    Changed(Vec<String>),
    Names(Vec<String>),
    File(Option<String>),
    Unit(UnitState),
    Text(String),
    /// The machine has no power, is booting, or does not exist.
    NotAnswering(String),
}

/// What `orchestrator.toml` says of the rehearsal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Settings {
    pub faults: Faults,
    /// As slow as a small real cluster, for lessons.
    pub real_pace: bool,
}

/// Where the rehearsal process listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub pid: u32,
    /// On 127.0.0.1.
    pub port: u16,
    /// The orchestrator's version that runs it.
    pub version: String,
}

/// The folder in which a rehearsal lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file that the process holds locked while it lives.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub fn objects(&self) -> PathBuf {
        self.0.join("objects.log")
    }

    /// Holds one file for each machine.
    pub fn machines(&self) -> PathBuf {
        self.0.join("machines")
    }

    pub fn machine(&self, name: &str) -> PathBuf {
        self.machines().join(format!("{name}.json"))
    }

    pub fn token(&self) -> PathBuf {
        self.0.join("token")
    }

    pub fn endpoint(&self) -> PathBuf {
        self.0.join("endpoint.json")
    }

    /// What the process wrote to its standard error.
    pub fn output(&self) -> PathBuf {
        self.0.join("process.log")
    }

    /// Whether the process lives: it holds its lock.
    pub fn is_alive(&self) -> bool {
        fs::File::open(self.lock())
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Reads the number of the process that holds the lock, or held it last.
    pub fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.lock()).ok()?.parse().ok()
    }

    /// Reads where the process listens, or listened last.
    pub fn read_endpoint(&self) -> Option<Endpoint> {
        serde_json::from_slice(&fs::read(self.endpoint()).ok()?).ok()
    }

    /// Reads the machines as the process last wrote them.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub fn read_machines(&self) -> io::Result<Vec<Machine>> {
        #[derive(Deserialize)]
        struct Record {
            machine: Machine,
        }
        Ok(self.read_records()?.into_iter().map(|record: Record| record.machine).collect())
    }

    /// Reads every machine's file.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub fn read_records<R: DeserializeOwned>(&self) -> io::Result<Vec<R>> {
        let files = match fs::read_dir(self.machines()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files?,
        };
        let mut records = Vec::new();
        for file in files {
            match fs::read(file?.path()) {
                // That machine was destroyed just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                text => records.push(serde_json::from_slice(&text?)?),
            }
        }
        Ok(records)
    }
}
