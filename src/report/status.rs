//! `status` as tables.

use comfy_table::{ContentArrangement, Table, presets};

use crate::model::{
    MachineState,
    status::{ClusterState, Status},
};

/// How many problems people are shown.
const PROBLEMS: usize = 10;

/// Returns the document as people read it.
pub fn render(status: &Status) -> String {
    let id = status.id.as_ref().map_or(String::new(), |id| format!(", id {id}"));
    let mut parts = vec![format!("{}: {} ({}{id})", status.cluster, status.state.name(), status.provider)];
    if let Some(caution) = &status.caution {
        parts.push(format!("note: {caution}"));
    }
    parts.extend(status.cost.iter().map(|cost| format!("cost: {cost}")));
    parts.push(String::new());
    parts.push(machines(status));
    for stack in &status.stacks {
        parts.push(String::new());
        let state = if stack.ready { "ready" } else { "not ready" };
        parts.push(format!("stack {}: {state}", stack.name));
        let mut table = table(["KIND", "NAMESPACE", "NAME", "READY", "IMAGE", "REASON"]);
        for workload in &stack.workloads {
            table.add_row([
                &workload.kind,
                &workload.namespace,
                &workload.name,
                &format!("{}/{}", workload.ready, workload.desired),
                &workload.images.join(","),
                workload.reason.as_deref().unwrap_or_default(),
            ]);
        }
        parts.push(table.trim_fmt());
        parts.extend(stack.urls.iter().map(|url| format!("url: {url}")));
    }
    if !status.problems.is_empty() {
        parts.push(String::new());
        parts.extend(status.problems.iter().take(PROBLEMS).map(|problem| format!("problem: {problem}")));
        let rest = status.problems.len().saturating_sub(PROBLEMS);
        parts.extend((rest > 0).then(|| format!("problem: and {rest} more; `-o json` has all of them")));
    }
    if let Some(next) = next(status.state) {
        parts.extend([String::new(), format!("next: {next}")]);
    }
    parts.join("\n")
}

/// Returns the command that brings the cluster from this state to what is configured.
fn next(state: ClusterState) -> Option<&'static str> {
    match state {
        ClusterState::Absent | ClusterState::Partial => Some("./orchestrator create"),
        ClusterState::Stopped => Some("./orchestrator start"),
        ClusterState::Running => None,
    }
}

fn machines(status: &Status) -> String {
    let mut table = table(["MACHINE", "ROLE", "STATE", "ADDRESS", "NODE", "VERSION"]);
    for machine in &status.machines {
        let node = status.nodes.iter().find(|node| node.name == machine.name);
        let ready = match node {
            Some(node) if node.ready => "Ready",
            Some(_) => "NotReady",
            None => "-",
        };
        let state = match machine.state {
            Some(MachineState::Running) => "running",
            Some(MachineState::Stopped) => "stopped",
            Some(MachineState::Unreachable) => "unreachable",
            None => "absent",
        };
        table.add_row([
            machine.name.as_str(),
            machine.role.name(),
            state,
            machine.address.as_deref().unwrap_or("-"),
            ready,
            node.map_or("-", |node| node.version.as_str()),
        ]);
    }
    table.trim_fmt()
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        NodeStatus, Role,
        status::{ClusterState, MachineStatus, StackStatus, WorkloadStatus},
    };

    fn machine(name: &str, role: Role, state: Option<MachineState>) -> MachineStatus {
        MachineStatus { name: name.into(), role, state, address: state.map(|_| "198.18.0.11".into()) }
    }

    fn workload(name: &str, ready: i64, reason: Option<&str>) -> WorkloadStatus {
        WorkloadStatus {
            kind: "Deployment".into(),
            namespace: "shop".into(),
            name: name.into(),
            ready,
            desired: 3,
            images: vec!["shop/api:1".into()],
            reason: reason.map(Into::into),
        }
    }

    fn absent() -> Status {
        Status {
            cluster: "shop".into(),
            id: None,
            provider: "rehearsal".into(),
            state: ClusterState::Absent,
            caution: None,
            cost: None,
            problems: Vec::new(),
            machines: vec![machine("shop-server-1", Role::Server, None)],
            nodes: Vec::new(),
            stacks: Vec::new(),
        }
    }

    #[test]
    fn what_is_there_and_what_is_not() {
        let node = NodeStatus {
            name: "shop-server-1".into(),
            ready: true,
            version: "v1".into(),
            reason: None,
            server: true,
            address: None,
            reported: None,
        };
        let status = Status {
            id: Some("4711".into()),
            state: ClusterState::Partial,
            caution: Some("this is a rehearsal".into()),
            problems: vec!["machine shop-agent-2 is absent".into()],
            machines: vec![
                machine("shop-server-1", Role::Server, Some(MachineState::Running)),
                machine("shop-agent-1", Role::Agent, Some(MachineState::Stopped)),
                machine("shop-agent-2", Role::Agent, None),
            ],
            nodes: vec![node],
            stacks: vec![StackStatus {
                name: "shop".into(),
                ready: false,
                workloads: vec![workload("api", 3, None), workload("billing", 1, Some("ImagePullBackOff"))],
                urls: vec!["http://198.18.0.11:30000".into()],
            }],
            ..absent()
        };
        insta::assert_snapshot!(render(&status));
    }

    #[test]
    fn a_cluster_that_was_never_made() {
        insta::assert_snapshot!(render(&absent()));
    }
}
