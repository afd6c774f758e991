//! Wanted and observed, put side by side.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    cluster::Cluster,
    manifests::{Identity, Manifest, equal::contains},
    rollout::{State, WORKLOADS, rollout},
    stack::ParsedStack,
    urls::urls,
};
use crate::model::{
    Machine, MachineState, NodeStatus,
    image::ImageSpec,
    status::{ClusterState, MachineStatus, StackStatus, Status, WorkloadStatus},
};

/// What the outside world says.
#[derive(Debug, Default)]
pub struct Observed {
    pub id: Option<String>,
    pub machines: Vec<Machine>,
    /// Machines that must be restarted to be as they are wanted, and why.
    pub to_restart: BTreeMap<String, String>,
    /// Images that the stacks use and that are not built from what their folders hold now.
    pub unbuilt: Vec<ImageSpec>,
    pub nodes: Vec<NodeStatus>,
    /// Every object that carries a stack's label, with `apiVersion` and `kind`.
    pub objects: Vec<Value>,
    /// Why the Kubernetes API could not be asked, if it could not.
    pub unreachable: Option<String>,
}

/// Returns how the cluster is, compared with what is wanted. `stacks` are prepared as they would be sent.
pub fn status(cluster: &Cluster, stacks: &[ParsedStack], observed: &Observed, caution: Option<String>) -> Status {
    let mut problems: Vec<String> = observed.unreachable.iter().cloned().collect();
    let machines = machines(cluster, observed, &mut problems);
    if observed.unreachable.is_none() && !observed.machines.is_empty() {
        nodes(cluster, observed, &mut problems);
    }
    let live: BTreeMap<_, _> = observed.objects.iter().map(|object| (Identity::of(object), object)).collect();
    let stacks = stacks.iter().map(|stack| stack_status(stack, &live, observed, &mut problems)).collect();
    let running = |machine: &Machine| machine.state == MachineState::Running;
    let state = if observed.machines.is_empty() {
        ClusterState::Absent
    } else if !observed.machines.iter().any(running) {
        ClusterState::Stopped
    } else if problems.is_empty() {
        ClusterState::Running
    } else {
        ClusterState::Partial
    };
    if matches!(state, ClusterState::Absent | ClusterState::Stopped) {
        problems.clear();
    }
    Status {
        cluster: cluster.name.clone(),
        id: observed.id.clone(),
        provider: cluster.provider.name().into(),
        state,
        caution,
        cost: None,
        problems,
        machines,
        nodes: observed.nodes.clone(),
        stacks,
    }
}

fn machines(cluster: &Cluster, observed: &Observed, problems: &mut Vec<String>) -> Vec<MachineStatus> {
    let mut machines = Vec::new();
    for spec in &cluster.machines {
        let machine = observed.machines.iter().find(|machine| machine.name == spec.name);
        match machine.map(|machine| machine.state) {
            Some(MachineState::Running) => problems.extend(
                observed.to_restart.get(&spec.name).map(|why| format!("machine {} needs a restart: {why}", spec.name)),
            ),
            Some(MachineState::Unreachable) => problems.push(format!("machine {} does not answer", spec.name)),
            Some(MachineState::Stopped) => problems.push(format!("machine {} is stopped", spec.name)),
            None => problems.push(format!("machine {} does not exist", spec.name)),
        }
        machines.push(MachineStatus {
            name: spec.name.clone(),
            role: spec.role,
            state: machine.map(|machine| machine.state),
            address: machine.map(|machine| machine.address.clone()),
        });
    }
    for machine in &observed.machines {
        if cluster.machines.iter().all(|spec| spec.name != machine.name) {
            problems.push(format!("machine {} is no longer wanted", machine.name));
            machines.push(MachineStatus {
                name: machine.name.clone(),
                role: machine.role,
                state: Some(machine.state),
                address: Some(machine.address.clone()),
            });
        }
    }
    machines
}

fn nodes(cluster: &Cluster, observed: &Observed, problems: &mut Vec<String>) {
    for spec in &cluster.machines {
        match observed.nodes.iter().find(|node| node.name == spec.name) {
            None => problems.push(format!("node {} has not joined", spec.name)),
            Some(node) if !node.ready => {
                problems.push(format!("node {} is not ready: {}", node.name, node.reason.as_deref().unwrap_or("?")));
            }
            Some(node) if node.version != cluster.k3s.version => {
                problems.push(format!("node {} runs {} and not {}", node.name, node.version, cluster.k3s.version));
            }
            Some(_) => {}
        }
    }
}

fn stack_status(
    stack: &ParsedStack,
    live: &BTreeMap<Identity, &Value>,
    observed: &Observed,
    problems: &mut Vec<String>,
) -> StackStatus {
    let mut ready = observed.unreachable.is_none() && !observed.machines.is_empty();
    let mut workloads = Vec::new();
    let mut objects = Vec::new();
    for manifest in &stack.manifests {
        let live = live.get(&manifest.identity()).copied();
        objects.extend(live);
        let shown = manifest.identity();
        if let Some(reason) = difference(manifest, live).filter(|_| observed.unreachable.is_none()) {
            ready = false;
            problems.push(format!("stack {}: {shown} {reason}", stack.name));
        }
        if WORKLOADS.contains(&(manifest.api_version(), manifest.kind())) {
            let workload = workload(manifest, live, why_absent(observed));
            if let Some(reason) = workload.reason.as_ref().filter(|_| live.is_some()) {
                ready = false;
                problems.push(format!("stack {}: {shown} is not ready: {reason}", stack.name));
            }
            workloads.push(workload);
        }
    }
    StackStatus { name: stack.name.clone(), ready, workloads, urls: urls(objects, &observed.machines) }
}

/// Returns how a live object differs from its manifest, if it does.
fn difference(manifest: &Manifest, live: Option<&Value>) -> Option<&'static str> {
    match live {
        None => Some("does not exist"),
        Some(live) if !contains(live, &manifest.object) => Some("differs from its manifest"),
        Some(_) => None,
    }
}

/// Returns why an object that was not seen was not.
fn why_absent(observed: &Observed) -> &'static str {
    if observed.unreachable.is_some() {
        "the cluster does not answer"
    } else if !observed.machines.is_empty() && observed.machines.iter().all(|m| m.state == MachineState::Stopped) {
        "the cluster is stopped"
    } else {
        "it does not exist"
    }
}

fn workload(manifest: &Manifest, live: Option<&Value>, absent: &str) -> WorkloadStatus {
    let object = live.unwrap_or(&manifest.object);
    let progress = rollout(object);
    let reason = match (live, progress.state) {
        (None, _) => Some(absent.into()),
        (_, State::Complete) => None,
        (_, State::Progressing(words) | State::Failed(words)) => Some(words),
    };
    WorkloadStatus {
        kind: manifest.kind().into(),
        namespace: manifest.namespace().unwrap_or_default().into(),
        name: manifest.name().into(),
        ready: if live.is_some() { i64::try_from(progress.ready).unwrap_or(i64::MAX) } else { 0 },
        desired: i64::try_from(progress.desired).unwrap_or(i64::MAX),
        images: super::manifests::images::references(object).into_iter().collect(),
        reason,
    }
}
