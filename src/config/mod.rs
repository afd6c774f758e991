//! `orchestrator.toml` as written, and everything that can be wrong with it.

mod check;
pub mod checks;
mod cluster;
mod conform;
mod document;
mod duration;
mod ec2;
mod format;
mod images;
mod k3s;
mod machine;
mod names;
mod problem;
mod rehearsal;
mod schema;
mod size;
mod ssh;
mod stacks;
mod suggest;
mod syntax;
mod vagrant;

pub use checks::{CheckSection, CheckStepSection};
pub use cluster::ClusterSection;
pub use duration::HumanDuration;
pub use ec2::{Ec2Section, ReachedBy};
pub use format::HttpRequest;
pub use images::{ImagesSection, LoginSection, TagBy};
pub use k3s::K3sSection;
pub use machine::{MachineSection, MachineSize};
pub use names::MachineName;
pub use problem::{Place, Problem, Problems};
pub use rehearsal::{FaultsSection, Pace, RehearsalSection};
pub use schema::schema;
pub use size::Size;
pub use ssh::{Host, SshSection};
pub use stacks::{SecretEntry, SecretKeys, StackSection};
pub(crate) use suggest::did_you_mean;
pub use vagrant::{Addresses, Driver, Hypervisor, VagrantSection};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ProviderKind;
use document::Document;
use problem::Finding;

/// Describes one cluster: its machines, its K3s, its images and what runs on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "orchestrator.toml")]
pub struct Config {
    /// Version of this file's format.
    #[schemars(range(min = 1, max = 1), example = 1)]
    #[schemars(extend("errorMessage" = "this release reads `version = 1`"))]
    pub version: u32,
    pub cluster: ClusterSection,
    #[serde(default)]
    pub k3s: K3sSection,
    #[serde(default)]
    pub machine: MachineSection,
    #[serde(default)]
    pub images: ImagesSection,
    /// What runs on the cluster, by the stack's name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = format::DNS_LABEL.keys()))]
    pub stacks: BTreeMap<String, StackSection>,
    #[serde(default)]
    pub rehearsal: RehearsalSection,
    #[serde(default)]
    pub vagrant: VagrantSection,
    #[serde(default)]
    pub ec2: Ec2Section,
    #[serde(default)]
    pub ssh: SshSection,
}

/// What the command line says instead of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// `--cluster`
    pub cluster_name: Option<String>,
    /// `--provider`
    pub provider: Option<ProviderKind>,
}

/// Reads a configuration and checks it together with what the command line overrides.
///
/// `file` is the name shown in problems. Fails with every problem there is, syntax and meaning alike.
pub fn parse(file: &str, text: &str, overrides: &Overrides) -> Result<Config, Problems> {
    let (document, mut findings) = Document::parse(text);
    let (sound, found) = conform::conform(&document, &schema());
    findings.extend(found);
    match serde_json::from_value::<Config>(sound) {
        Ok(mut config) => {
            overrides.apply(&mut config);
            findings = check::check(&config, &document, overrides, findings);
            if findings.is_empty() {
                return Ok(config);
            }
        }
        Err(error) if findings.is_empty() => findings.push(Finding::nowhere(error.to_string())),
        Err(_) => {}
    }
    Err(Problems::new(file, text, findings))
}

impl Overrides {
    fn apply(&self, config: &mut Config) {
        if let Some(name) = &self.cluster_name {
            config.cluster.name.clone_from(name);
        }
        if let Some(provider) = self.provider {
            config.cluster.provider = provider;
        }
    }
}
