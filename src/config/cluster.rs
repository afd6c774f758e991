//! `[cluster]`: its name, where its machines come from, and how many.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::format;
use crate::model::ProviderKind;

/// The cluster: its name, where its machines come from, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClusterSection {
    /// Name of the cluster; machines, kubeconfig and state directory are named after it.
    #[schemars(schema_with = "name_schema")]
    pub name: String,
    /// Where machines come from: a `rehearsal` on this computer without any machine, virtual machines by `vagrant`,
    /// `ec2` instances, or machines that exist already and answer `ssh`.
    #[serde(default = "rehearsal")]
    pub provider: ProviderKind,
    /// Machines that run the Kubernetes API and its datastore; an odd number.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 7))]
    #[schemars(extend("errorMessage" = "a cluster needs a server, which runs the Kubernetes API; more than 7 make its datastore slower, not safer"))]
    pub servers: u32,
    /// Machines that only run workloads; servers run them too.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub agents: u32,
}

fn name_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    format::DNS_LABEL.schema()
}

fn rehearsal() -> ProviderKind {
    ProviderKind::Rehearsal
}

fn one() -> u32 {
    1
}
