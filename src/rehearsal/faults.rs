//! What a teacher or a test orders to go wrong in a rehearsal.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What shall go wrong in a rehearsal.
///
/// A workload is named by its name, by `namespace/name`, by its pods' `app` label or by the name of its image.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Faults {
    /// Workloads or images (by name, without tag) whose image cannot be pulled.
    pub image_pull: Vec<String>,
    /// Workloads whose containers end with an error again and again.
    pub crash_loop: Vec<String>,
    /// Workloads whose readiness probe never succeeds.
    pub not_ready: Vec<String>,
    /// Workloads that no node can take.
    pub unschedulable: Vec<String>,
    /// Machines whose K3s never joins the cluster.
    pub never_join: Vec<String>,
    /// Machines whose K3s unit fails.
    pub unit_fails: Vec<String>,
    /// Machines that need this long to boot.
    pub slow_boot: Vec<(String, Duration)>,
    /// Time that each write to the Kubernetes API takes longer than it needs.
    pub api_latency: Duration,
}

impl Faults {
    /// Returns the state in which the K3s unit of this machine shall stay, if it is one to go wrong.
    pub fn of_unit(&self, machine: &str) -> Option<&'static str> {
        let ordered = |machines: &[String]| machines.iter().any(|name| name == machine);
        if ordered(&self.unit_fails) {
            Some("failed")
        } else if ordered(&self.never_join) {
            Some("activating")
        } else {
            None
        }
    }
}
