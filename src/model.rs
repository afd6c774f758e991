//! The nouns that every room shares.

pub mod check;
pub mod cost;
pub mod facts;
pub mod finding;
pub mod hex;
pub mod image;
pub mod image_name;
pub mod node_address;
pub mod package_manager;
pub mod probe;
pub mod registry;
pub mod status;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use facts::Facts;
pub use package_manager::PackageManager;

/// What a rehearsal says first where it cannot do what a cluster does.
pub const REHEARSAL: &str = "this is a rehearsal cluster";

/// The port of the Kubernetes API of a K3s server.
pub const API_PORT: u16 = 6443;

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
    /// It does not answer, so nobody knows.
    Unreachable,
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

/// A file to have on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Absolute.
    pub path: String,
    /// Unix permission bits.
    pub mode: u32,
    pub content: Content,
}

/// Where a file's bytes come from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    Text(String),
    /// A file of a K3s release.
    Release {
        version: String,
        file: ReleaseFile,
    },
}

/// A file of a K3s release, on this computer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFile {
    /// As the release calls it: `k3s`, `k3s-arm64`, `k3s-airgap-images-amd64.tar.zst`.
    pub name: String,
    pub path: PathBuf,
    /// In hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

impl std::fmt::Debug for Content {
    /// Leaves texts out: they may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Release { version, file } => write!(f, "Release({version}, {})", file.name),
        }
    }
}

/// What systemd says of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    pub enabled: bool,
    /// `active`, `activating`, `inactive`, `failed`.
    pub active: String,
    pub restarts: u32,
    /// The last lines that it wrote.
    pub journal: String,
}

/// A machine that answered, and what it said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// With the address that its facts show.
    pub machine: Machine,
    pub facts: Facts,
}

impl Reached {
    /// Whether the K3s unit of the machine's role was active when it was asked.
    pub fn runs(&self) -> bool {
        self.facts.k3s.active(self.machine.role) == Some("active")
    }
}

impl Machine {
    /// Servers before agents, then by name.
    pub fn in_order(a: &Self, b: &Self) -> std::cmp::Ordering {
        (a.role, &a.name).cmp(&(b.role, &b.name))
    }
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
    /// It has the control plane.
    #[serde(skip)]
    pub server: bool,
    /// The address other nodes reach it at.
    #[serde(skip)]
    pub address: Option<String>,
    /// When the kubelet last said whether it is ready, by its clock, in seconds since 1970.
    #[serde(skip)]
    pub reported: Option<i64>,
}

impl NodeStatus {
    /// Returns whether all that its kubelet said is from before `since`, in seconds since 1970, as far as both are known.
    pub fn is_silent_since(&self, since: Option<i64>) -> bool {
        self.reported.zip(since).is_some_and(|(said, since)| said < since)
    }
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

/// One thing a command would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    CreateMachine { name: String, role: Role },
    StartMachine { name: String },
    RestartMachine { name: String, because: String },
    DestroyMachine { name: String },
    JoinNode { name: String, role: Role, version: String },
    UpgradeNode { name: String, from: String, to: String },
    BuildImage { name: String, push: bool },
    GenerateSecret { namespace: String, name: String },
    CreateObject { kind: String, namespace: String, name: String },
    ChangeObject { kind: String, namespace: String, name: String },
    PruneObject { kind: String, namespace: String, name: String },
}

impl Action {
    /// Returns `+` for what is made, `~` for what is changed, `-` for what is removed.
    pub fn sign(&self) -> char {
        match self {
            Self::CreateMachine { .. }
            | Self::JoinNode { .. }
            | Self::BuildImage { .. }
            | Self::GenerateSecret { .. }
            | Self::CreateObject { .. } => '+',
            Self::StartMachine { .. }
            | Self::RestartMachine { .. }
            | Self::UpgradeNode { .. }
            | Self::ChangeObject { .. } => '~',
            Self::DestroyMachine { .. } | Self::PruneObject { .. } => '-',
        }
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateMachine { name, role } => write!(f, "machine {name} ({})", role.name()),
            Self::StartMachine { name } => write!(f, "machine {name}: start"),
            Self::RestartMachine { name, because } => write!(f, "machine {name}: restart ({because})"),
            Self::DestroyMachine { name } => write!(f, "machine {name}"),
            Self::JoinNode { name, role, version } => write!(f, "node {name} ({}, {version})", role.name()),
            Self::UpgradeNode { name, from, to } => write!(f, "node {name}: {from} to {to}"),
            Self::BuildImage { name, push } => {
                write!(f, "image {name} ({})", if *push { "built and pushed" } else { "built and sent to the nodes" })
            }
            Self::GenerateSecret { namespace, name } => write!(f, "secret {namespace}/{name} (generated)"),
            Self::CreateObject { kind, namespace, name }
            | Self::ChangeObject { kind, namespace, name }
            | Self::PruneObject { kind, namespace, name } => {
                let place = if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") };
                write!(f, "{kind} {place}")
            }
        }
    }
}
