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
