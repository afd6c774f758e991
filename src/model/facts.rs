//! What a machine says of itself.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Role;

/// What a machine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Debian's name for it: `amd64`, `arm64`, `arm`.
    pub arch: String,
    pub os: String,
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub swap: u64,
    /// Bytes free where K3s keeps its data; `None` when it was not said.
    pub disk_free: Option<u64>,
    pub hostname: String,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// How far its clock is ahead of this computer's, in milliseconds.
    pub clock_ahead: i64,
    /// When it was booted, or its K3s started if that was later, by its clock, in seconds since 1970: what its node said
    /// before is old.
    pub since: Option<i64>,
    /// The name of process 1.
    pub init: String,
    /// Controllers of cgroups that are switched on.
    pub cgroups: Vec<String>,
    pub addresses: Vec<NicAddress>,
    pub has_default_route: bool,
    /// The ports of K3s that somebody listens on.
    pub listening: Vec<Listener>,
    /// `ufw` or `firewalld`, when it is active.
    pub firewall: Option<String>,
    /// Programs that are needed and not there.
    pub missing: Vec<String>,
    /// cloud-init has not finished.
    pub booting: bool,
    pub k3s: Installed,
    /// Files of K3s and of the orchestrator, as far as they are known without reading them.
    pub files: Vec<FileOnDisk>,
}

/// An address of a network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicAddress {
    pub nic: String,
    pub address: IpAddr,
}

/// Somebody who listens on a TCP port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub port: u16,
    pub process: String,
}

/// A file as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOnDisk {
    pub path: String,
    /// Unix permission bits.
    pub mode: u32,
    /// In hexadecimal.
    pub sha256: String,
}

/// The K3s that a machine has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Installed {
    /// The cluster it was installed for, if the orchestrator did it.
    pub owner: Option<Owner>,
    /// Roles that have a unit, and whether the orchestrator wrote it.
    pub units: Vec<InstalledUnit>,
    /// It holds a cluster's datastore.
    pub server_data: bool,
    /// It was a node once.
    pub agent_data: bool,
    /// The URL of the server that it joined through; empty when it was the first one, `None` when it has no settings.
    pub joined: Option<String>,
    /// The hash of what its unit was last started with.
    pub started_with: Option<String>,
}

/// A unit of K3s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledUnit {
    pub role: Role,
    /// The orchestrator wrote it.
    pub ours: bool,
    /// systemd's word: `active`, `inactive`, `failed`.
    pub active: String,
}

/// The cluster that a machine's K3s was installed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The cluster's random id.
    pub id: String,
    pub cluster: String,
    /// The machine's name in it.
    pub machine: String,
    pub role: Role,
}

impl Owner {
    /// Reads the line that [`Owner`] is written as.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (id, cluster, machine) = (words.next()?, words.next()?, words.next()?);
        let role = role_called(&words.next()?)?;
        Some(Self { id, cluster, machine, role })
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} {}", self.id, self.cluster, self.machine, self.role.name())
    }
}

fn role_called(name: &str) -> Option<Role> {
    [Role::Server, Role::Agent].into_iter().find(|role| role.name() == name)
}

impl Installed {
    /// Returns systemd's word for the unit of this role, if there is one.
    pub fn active(&self, role: Role) -> Option<&str> {
        self.units.iter().find(|unit| unit.role == role).map(|unit| unit.active.as_str())
    }
}
