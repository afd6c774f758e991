//! `[rehearsal]`: how the embedded cluster behaves.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{HumanDuration, format};

/// How the embedded cluster behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RehearsalSection {
    /// `fast` takes no longer than it must, `real` takes about as long as real machines and containers.
    pub pace: Pace,
    pub faults: FaultsSection,
}

/// How fast a rehearsal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    #[default]
    Fast,
    Real,
}

/// What shall go wrong. Workloads are named by name, `namespace/name`, `app` label or image; machines are named in full or without the cluster's name: `agent-1`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FaultsSection {
    /// Workloads or images (without tag) whose image cannot be pulled.
    #[schemars(schema_with = "workloads")]
    pub image_pull: Vec<String>,
    /// Workloads whose containers end with an error again and again.
    #[schemars(schema_with = "workloads")]
    pub crash_loop: Vec<String>,
    /// Workloads whose readiness probe never succeeds.
    #[schemars(schema_with = "workloads")]
    pub not_ready: Vec<String>,
    /// Workloads that no node can take.
    #[schemars(schema_with = "workloads")]
    pub unschedulable: Vec<String>,
    /// Machines whose K3s never joins the cluster.
    #[schemars(schema_with = "machines")]
    pub never_join: Vec<String>,
    /// Machines whose K3s unit fails.
    #[schemars(schema_with = "machines")]
    pub unit_fails: Vec<String>,
    /// Machines that need this long to boot.
    #[schemars(extend("propertyNames" = format::DNS_LABEL.keys()))]
    pub slow_boot: BTreeMap<String, HumanDuration>,
    /// How much longer each write to the Kubernetes API takes.
    pub api_latency: Option<HumanDuration>,
}

/// A workload may be meant by its namespace and name, its `app` label or its image: no common format.
fn workloads(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "array",
        "items": { "type": "string", "minLength": 1, "examples": ["api-gateway"] },
    })
}

fn machines(_: &mut SchemaGenerator) -> Schema {
    format::DNS_LABEL.list()
}
