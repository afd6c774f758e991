//! The cluster that a configuration asks for: every default filled in, nothing optional left open.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Map, Value};

pub use crate::rehearsal::faults::Faults;
use crate::{
    config::CheckSection,
    model::{
        MachineSpec, ProviderKind,
        image::Tag,
        registry::{LoginSource, host},
    },
};

/// What one `orchestrator.toml` describes.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub name: String,
    pub provider: ProviderKind,
    /// Servers first, then agents, each by name.
    pub machines: Vec<MachineSpec>,
    pub k3s: K3s,
    pub images: Images,
    /// By name.
    pub stacks: Vec<Stack>,
    pub faults: Faults,
    /// A rehearsal as slow as a small real cluster, for lessons.
    pub real_pace: bool,
}

/// The K3s to install.
#[derive(Debug, Clone, PartialEq)]
pub struct K3s {
    /// A K3s release, such as `v1.33.5+k3s1`.
    pub version: String,
    /// Folder with the release's files, absolute; then nothing is downloaded.
    pub artifacts: Option<PathBuf>,
    /// `[k3s.config]`, merged into `/etc/rancher/k3s/config.yaml`.
    pub config: Map<String, Value>,
    /// `[k3s.registries]`, written as `/etc/rancher/k3s/registries.yaml`.
    pub registries: Option<Map<String, Value>>,
}

/// The images to build and how they reach the nodes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Images {
    pub registry: Option<String>,
    /// The registry speaks plain HTTP.
    pub plain_http: bool,
    /// The login to push with, if the configuration names one.
    pub login: Option<LoginSource>,
    pub pull: Pull,
    pub tag: Tag,
    /// Every image is tagged `latest` too.
    pub latest: bool,
    /// Build name and context folder (absolute), by name.
    pub builds: Vec<(String, PathBuf)>,
}

/// The registry that nodes pull from with a pull secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRegistry {
    /// Its host, with the port if there is one.
    pub host: String,
    /// The login, if the configuration names one.
    pub login: Option<LoginSource>,
}

impl Images {
    /// Returns the registry that nodes may need a pull secret for.
    pub fn pull_registry(&self) -> Option<PullRegistry> {
        let host = host(self.registry.as_deref()?).to_owned();
        match &self.pull {
            Pull::WithoutSecret => None,
            Pull::WithAny => Some(PullRegistry { host, login: None }),
            Pull::With(login) => Some(PullRegistry { host, login: Some(login.clone()) }),
        }
    }
}

/// How nodes pull from the registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Pull {
    /// With what they know themselves.
    #[default]
    WithoutSecret,
    /// With a pull secret, where the environment has a login for it.
    WithAny,
    /// With a pull secret that holds this login.
    With(LoginSource),
}

/// A set of manifests with the secrets they need.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    pub name: String,
    /// Where objects go that name no namespace.
    pub namespace: String,
    /// A file or a folder, absolute.
    pub manifests: PathBuf,
    /// By name.
    pub secrets: Vec<Secret>,
    /// What proves that it works, by name.
    pub checks: BTreeMap<String, CheckSection>,
}

/// A Secret that is generated once and then kept in the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    pub name: String,
    /// Keys and how their values are made, by key.
    pub entries: Vec<(String, SecretValue)>,
}

/// How a secret's value comes to be.
#[derive(Debug, Clone, PartialEq)]
pub enum SecretValue {
    /// So many random letters and digits.
    Random(usize),
    /// Written in the configuration: a user name, a database name.
    Fixed(String),
    /// Read from this environment variable at deploy time.
    Environment(String),
}
