//! Tables of what a cluster consists of, and of what happens in it.

use serde_json::{Value, json};

use super::super::read::{entries, find, has, is_true, text};
use super::{AGE, Column, NAME, Printer, Row, age, column, count, joined, or_none, plain, wide};

pub(super) static NODE: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "Whether the node takes pods."),
        column("Roles", "What the node is for."),
        AGE,
        column("Version", "Version of the node's kubelet."),
        wide("Internal-IP", "Address inside the cluster."),
        wide("External-IP", "Address outside the cluster."),
        wide("OS-Image", "Operating system."),
        wide("Kernel-Version", "Version of its kernel."),
        wide("Container-Runtime", "What runs the containers."),
    ],
    cells: |row| {
        vec![
            row.name(),
            json!(node_status(row)),
            json!(roles(row)),
            row.age(),
            json!(row.text("/status/nodeInfo/kubeletVersion")),
            address(row, "InternalIP"),
            address(row, "ExternalIP"),
            row.text_or("/status/nodeInfo/osImage", "<unknown>"),
            row.text_or("/status/nodeInfo/kernelVersion", "<unknown>"),
            row.text_or("/status/nodeInfo/containerRuntimeVersion", "<unknown>"),
        ]
    },
};

fn node_status(row: &Row) -> String {
    let ready = find(row.list("/status/conditions"), "type", "Ready").map(|condition| text(condition, "/status"));
    let status = match ready {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = if is_true(row.object, "/spec/unschedulable") { ",SchedulingDisabled" } else { "" };
    format!("{status}{cordoned}")
}

fn roles(row: &Row) -> String {
    let role = |(key, value): (&String, &Value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) if !role.is_empty() => Some(role.to_owned()),
        _ => (key == "kubernetes.io/role").then(|| plain(value)).filter(|role| !role.is_empty()),
    };
    let mut roles: Vec<_> = entries(row.object, "/metadata/labels").filter_map(role).collect();
    roles.sort();
    roles.dedup();
    or_none(roles.join(","))
}

fn address(row: &Row, kind: &str) -> Value {
    let address = find(row.list("/status/addresses"), "type", kind).map(|address| text(address, "/address"));
    json!(address.unwrap_or("<none>"))
}

pub(super) static NAMESPACE: Printer = Printer {
    columns: &[NAME, column("Status", "Whether it is being deleted."), AGE],
    cells: |row| vec![row.name(), json!(row.text("/status/phase")), row.age()],
};

pub(super) static EVENT: Printer = Printer {
    columns: &[
        column("Last Seen", "How long ago it happened last."),
        column("Type", "Whether it is a warning."),
        column("Reason", "What happened, in one word."),
        column("Object", "What it happened to."),
        wide("Subobject", "Which part of the object."),
        wide("Source", "Who says so."),
        column("Message", "What happened."),
        wide("First Seen", "How long ago it happened first."),
        wide("Count", "How often it happened."),
        Column { format: "name", ..wide("Name", "The event's name.") },
    ],
    cells: event,
};

fn event(row: &Row) -> Vec<Value> {
    let ago = |pointer: &str| age::since(row.text(pointer), row.now);
    let first = ago("/firstTimestamp").or_else(|| ago("/eventTime"));
    let mut last = ago("/lastTimestamp").or_else(|| first.clone());
    let mut times = row.number("/count");
    if has(row.object, "/series") {
        last = ago("/series/lastObservedTime");
        times = row.number("/series/count");
    }
    let unknown = |ago: Option<String>| json!(ago.unwrap_or_else(|| "<unknown>".into()));
    let kind = row.text("/involvedObject/kind").to_lowercase();
    vec![
        unknown(last),
        json!(row.text("/type")),
        json!(row.text("/reason")),
        json!(format!("{kind}/{}", row.text("/involvedObject/name"))),
        json!(row.text("/involvedObject/fieldPath")),
        json!(source(row)),
        json!(row.text("/message").trim()),
        unknown(first),
        json!(times.max(1)),
        row.name(),
    ]
}

fn source(row: &Row) -> String {
    let either = |old: &str, new: &str| {
        let old = row.text(old);
        (if old.is_empty() { row.text(new) } else { old }).to_owned()
    };
    let component = either("/source/component", "/reportingComponent");
    let host = either("/source/host", "/reportingInstance");
    joined([component, host].into_iter().filter(|text| !text.is_empty()), ", ")
}

pub(super) static LEASE: Printer = Printer {
    columns: &[NAME, column("Holder", "Who holds it."), AGE],
    cells: |row| vec![row.name(), json!(row.text("/spec/holderIdentity")), row.age()],
};

pub(super) static PRIORITY_CLASS: Printer = Printer {
    columns: &[
        NAME,
        count("Value", "The priority; higher goes first."),
        Column { kind: "boolean", ..column("Global-Default", "Whether pods without a class get it.") },
        AGE,
        column("PreemptionPolicy", "Whether its pods may push out others."),
    ],
    cells: |row| {
        vec![
            row.name(),
            json!(row.number("/value")),
            json!(is_true(row.object, "/globalDefault")),
            row.age(),
            json!(row.text("/preemptionPolicy")),
        ]
    },
};

pub(super) static QUOTA: Printer = Printer {
    columns: &[
        NAME,
        column("Request", "What may be requested, used of allowed."),
        column("Limit", "What limits may add up to, used of allowed."),
        AGE,
    ],
    cells: |row| {
        let used = |name: &str| {
            row.object.get("status").and_then(|it| it.get("used")).and_then(|it| it.get(name)).map_or("0".into(), plain)
        };
        let (limits, requests): (Vec<_>, Vec<_>) =
            entries(row.object, "/status/hard").partition(|(name, _)| name.starts_with("limits"));
        let shown = |list: Vec<(&String, &Value)>| {
            joined(list.into_iter().map(|(name, hard)| format!("{name}: {}/{}", used(name), plain(hard))), ", ")
        };
        vec![row.name(), json!(shown(requests)), json!(shown(limits)), row.age()]
    },
};

#[cfg(test)]
mod tests {
    use super::super::tests::case;
    use serde_json::json;

    #[test]
    fn nodes_tell_their_roles() {
        let labels = json!({"node-role.kubernetes.io/master": "true", "node-role.kubernetes.io/control-plane": "true"});
        let status = json!({"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.33.5+k3s1"},
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]});
        let node = json!({"metadata": {"labels": labels}, "spec": {"unschedulable": true}, "status": status});
        let cells = json!([
            "x",
            "Ready,SchedulingDisabled",
            "control-plane,master",
            "5m",
            "v1.33.5+k3s1",
            "10.0.0.1",
            "<none>",
            "<unknown>",
            "<unknown>",
            "<unknown>"
        ]);
        case("Node", node, cells);
        case("Namespace", json!({"metadata": {}, "status": {"phase": "Active"}}), json!(["x", "Active", "5m"]));
    }

    #[test]
    fn events_are_told_by_when_they_were_seen() {
        let event = json!({"metadata": {}, "type": "Warning", "reason": "BackOff", "message": "again\n", "count": 3,
            "involvedObject": {"kind": "Pod", "name": "p"}, "source": {"component": "kubelet", "host": "n"},
            "firstTimestamp": "2026-01-01T00:50:00Z", "lastTimestamp": "2026-01-01T00:59:30Z"});
        let cells = json!(["30s", "Warning", "BackOff", "pod/p", "", "kubelet, n", "again", "10m", 3, "x"]);
        case("Event", event, cells);
    }
}
