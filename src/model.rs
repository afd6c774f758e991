//! The nouns that every room shares.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where machines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    Rehearsal,
    Vagrant,
    Ec2,
    Ssh,
}

impl ProviderKind {
    /// Returns the word that `orchestrator.toml` uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rehearsal => "rehearsal",
            Self::Vagrant => "vagrant",
            Self::Ec2 => "ec2",
            Self::Ssh => "ssh",
        }
    }
}

/// What a machine is in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Server,
    Agent,
}

impl Role {
    /// Returns the word that K3s uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent",
        }
    }

    /// Returns the systemd unit that K3s's own installer would make.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Server => "k3s",
            Self::Agent => "k3s-agent",
        }
    }
}

/// A machine that the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineSpec {
    pub name: String,
    pub role: Role,
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub disk: u64,
}

/// Whether a machine has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineState {
    Running,
    Stopped,
}

/// A machine that a provider says exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub name: String,
    pub role: Role,
    pub state: MachineState,
    /// The address other machines of the cluster use.
    pub address: String,
}

/// A node as Kubernetes reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    pub name: String,
    pub ready: bool,
    /// The kubelet's version, such as `v1.33.5+k3s1`.
    pub version: String,
    /// Why it is not ready, in the kubelet's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The outcome of work that checks first and acts second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done<T> {
    Changed(T),
    Unchanged(T),
}

impl<T> Done<T> {
    pub fn changed(&self) -> bool {
        matches!(self, Self::Changed(_))
    }

    pub fn into_inner(self) -> T {
        match self {
            Self::Changed(value) | Self::Unchanged(value) => value,
        }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Done<U> {
        match self {
            Self::Changed(value) => Done::Changed(f(value)),
            Self::Unchanged(value) => Done::Unchanged(f(value)),
        }
    }

    /// `Changed` if `changed`, else `Unchanged`.
    pub fn when(changed: bool, value: T) -> Self {
        if changed { Self::Changed(value) } else { Self::Unchanged(value) }
    }
}
