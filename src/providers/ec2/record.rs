//! What is remembered of a cluster at Amazon. `cluster.json` holds what was decided and what was about to be done; it is
//! written by commands that hold the cluster's lock. `machines.json` is what was last seen, for commands that ask nobody.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    effects::{
        ec2::{Image, Instance, Order, Subnet},
        state_directory::write_private,
    },
    failure::{Failure, STATE_UNUSABLE},
    model::Role,
};

/// What was decided, and what was begun.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Decided {
    /// What everything of the cluster is tagged with.
    pub id: Option<String>,
    pub owner: Option<String>,
    pub region: Option<String>,
    pub image: Option<Image>,
    pub subnet: Option<Subnet>,
    /// When it ends by itself, RFC 3339.
    pub expires: Option<String>,
    /// When a security group was asked for that was not seen since, in seconds since 1970.
    pub group_asked: Option<i64>,
    /// Calls that make instances and were not heard to have ended.
    pub intents: Vec<Intent>,
    /// Instances that were made, by id.
    pub made: BTreeMap<String, Made>,
}

/// A call that costs money, written down before it is made: repeated word for word it makes nothing twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub role: Role,
    /// The machines' names, in the order of their places in the call.
    pub machines: Vec<String>,
    pub order: Order,
    /// Seconds since 1970.
    pub at: i64,
}

/// An instance that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    pub machine: String,
    /// Seconds since 1970.
    pub at: i64,
    /// It has its own host key: the one it booted with counts no longer.
    pub own_key: bool,
}

/// A machine as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub name: String,
    pub role: Role,
    pub instance: Instance,
}

/// The files, in a folder of the state directory.
#[derive(Debug, Clone)]
pub struct Record {
    folder: PathBuf,
}

impl Record {
    /// In `folder`, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// # Errors
    /// When the file is there and cannot be read.
    pub fn decided(&self) -> Result<Decided, Failure> {
        Ok(self.read("cluster.json")?.unwrap_or_default())
    }

    /// # Errors
    /// When the file cannot be read or written.
    pub fn decide<T>(&self, change: impl FnOnce(&mut Decided) -> T) -> Result<T, Failure> {
        let mut decided = self.decided()?;
        let before = decided.clone();
        let result = change(&mut decided);
        if decided != before {
            self.write("cluster.json", &decided)?;
        }
        Ok(result)
    }

    /// # Errors
    /// When the file is there and cannot be read.
    pub fn seen(&self) -> Result<Vec<Node>, Failure> {
        Ok(self.read("machines.json")?.unwrap_or_default())
    }

    /// Remembers what was seen, where there is a state directory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn see(&self, nodes: &[Node]) -> Result<(), Failure> {
        let exists = self.folder.parent().is_some_and(Path::is_dir);
        if !exists || self.seen()? == nodes {
            return Ok(());
        }
        self.write("machines.json", nodes)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable("read", &path, &error)),
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| unusable("read", &path, &error)),
        }
    }

    fn write<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), Failure> {
        let path = self.folder.join(name);
        let text = serde_json::to_string_pretty(value).expect("what is remembered is JSON");
        fs::create_dir_all(&self.folder)
            .and_then(|()| write_private(&path, &text))
            .map_err(|error| unusable("write", &path, &error))
    }
}

pub fn unusable(verb: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(&STATE_UNUSABLE, format!("cannot {verb} {}", path.display())).because(error)
}
