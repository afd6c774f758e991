//! What `status` says: one document, for people as tables and for programs as JSON.

use serde::Serialize;

use super::{MachineState, NodeStatus, Role, cost::Cost};

/// How much of the cluster is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterState {
    Absent,
    Stopped,
    /// Something is missing or not ready.
    Partial,
    /// All is as configured.
    Running,
}

impl ClusterState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Stopped => "stopped",
            Self::Partial => "partial",
            Self::Running => "running",
        }
    }
}

/// The document that `status` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    pub cluster: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub provider: String,
    pub state: ClusterState,
    /// What a user must know of clusters of this provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caution: Option<String>,
    /// What the machines cost, where they cost anything that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What keeps the cluster from being as configured.
    pub problems: Vec<String>,
    pub machines: Vec<MachineStatus>,
    pub nodes: Vec<NodeStatus>,
    pub stacks: Vec<StackStatus>,
}

/// A machine that is wanted, or there, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachineStatus {
    pub name: String,
    pub role: Role,
    /// `None`: wanted and not there.
    pub state: Option<MachineState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A stack of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StackStatus {
    pub name: String,
    pub ready: bool,
    pub workloads: Vec<WorkloadStatus>,
    /// Where people reach it.
    pub urls: Vec<String>,
}

/// A Deployment, StatefulSet, DaemonSet or Job of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkloadStatus {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub ready: i64,
    pub desired: i64,
    pub images: Vec<String>,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl WorkloadStatus {
    pub fn is_ready(&self) -> bool {
        self.reason.is_none()
    }
}
