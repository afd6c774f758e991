//! The pod table: STATUS is a story told by phase, containers and deletion.

use serde_json::{Value, json};

use super::super::read::{find, integer, is_true, list, text};
use super::{AGE, NAME, Printer, Row, age, column, wide};

pub(super) static POD: Printer = Printer {
    columns: &[
        NAME,
        column("Ready", "Containers that are ready, of all."),
        column("Status", "What the containers as a whole are doing."),
        column("Restarts", "How often containers were restarted, and when last."),
        AGE,
        wide("IP", "Address of the pod."),
        wide("Node", "Node the pod is bound to."),
        wide("Nominated Node", "Node on which room is being made for the pod."),
        wide("Readiness Gates", "Conditions besides its containers that make the pod ready, met of all."),
    ],
    cells,
};

fn cells(row: &Row) -> Vec<Value> {
    let story = Story::of(row.object);
    let restarts = match (story.restarts, &story.last_restart) {
        (0, _) | (_, None) => story.restarts.to_string(),
        (count, Some(time)) => match age::since(time, row.now) {
            Some(ago) => format!("{count} ({ago} ago)"),
            None => count.to_string(),
        },
    };
    let gates = row.list("/spec/readinessGates");
    let conditions = row.list("/status/conditions");
    let met = gates.iter().filter(|gate| has_condition(conditions, text(gate, "/conditionType"))).count();
    let gates = if gates.is_empty() { "<none>".into() } else { format!("{met}/{}", gates.len()) };
    vec![
        row.name(),
        json!(format!("{}/{}", story.ready, story.total)),
        json!(story.reason),
        json!(restarts),
        row.age(),
        row.text_or("/status/podIP", "<none>"),
        row.text_or("/spec/nodeName", "<none>"),
        row.text_or("/status/nominatedNodeName", "<none>"),
        json!(gates),
    ]
}

/// Returns the row condition of a pod that has run to its end.
pub(super) fn completed(pod: &Value) -> Option<Value> {
    if text(pod, "/kind") != "Pod" {
        return None;
    }
    let (reason, message) = match text(pod, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({"type": "Completed", "status": "True", "reason": reason, "message": message}))
}

#[derive(Default)]
struct Story {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<String>,
}

impl Story {
    fn of(pod: &Value) -> Self {
        let phase = text(pod, "/status/phase");
        let reason = text(pod, "/status/reason");
        let mut story = Self { reason: if reason.is_empty() { phase } else { reason }.into(), ..Self::default() };
        let conditions = list(pod, "/status/conditions");
        if conditions.iter().any(|it| text(it, "/type") == "PodScheduled" && text(it, "/reason") == "SchedulingGated") {
            story.reason = "SchedulingGated".into();
        }
        let sidecars = list(pod, "/spec/initContainers").iter().filter(|container| is_sidecar(container)).count();
        story.total = list(pod, "/spec/containers").len() + sidecars;
        let mut of_sidecars = Self::default();
        let initializing = story.initialize(pod, &mut of_sidecars);
        if !initializing || has_condition(conditions, "Initialized") {
            (story.restarts, story.last_restart) = (of_sidecars.restarts, of_sidecars.last_restart);
            story.run(pod);
        }
        if !text(pod, "/metadata/deletionTimestamp").is_empty() {
            if reason == "NodeLost" {
                story.reason = "Unknown".into();
            } else if phase != "Succeeded" && phase != "Failed" {
                story.reason = "Terminating".into();
            }
        }
        story
    }

    /// Goes through the init containers and tells whether one of them is still at work.
    fn initialize(&mut self, pod: &Value, of_sidecars: &mut Self) -> bool {
        let specs = list(pod, "/spec/initContainers");
        for (index, status) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
            self.restarted(status);
            let sidecar = find(specs, "name", text(status, "/name")).is_some_and(is_sidecar);
            if sidecar {
                of_sidecars.restarted(status);
            }
            let (terminated, waiting) = (status.pointer("/state/terminated"), text(status, "/state/waiting/reason"));
            if integer(status, "/state/terminated/exitCode") == Some(0) {
                continue;
            }
            if sidecar && is_true(status, "/started") {
                self.ready += usize::from(is_true(status, "/ready"));
                continue;
            }
            self.reason = match terminated {
                Some(terminated) => format!("Init:{}", ended(terminated)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
                None => format!("Init:{index}/{}", specs.len()),
            };
            return true;
        }
        false
    }

    fn run(&mut self, pod: &Value) {
        let mut running = false;
        for status in list(pod, "/status/containerStatuses").iter().rev() {
            self.restarted(status);
            let waiting = text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                self.reason = waiting.into();
            } else if let Some(terminated) = status.pointer("/state/terminated") {
                self.reason = ended(terminated);
            } else if is_true(status, "/ready") && status.pointer("/state/running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let ready = has_condition(list(pod, "/status/conditions"), "Ready");
            self.reason = if ready { "Running" } else { "NotReady" }.into();
        }
    }

    fn restarted(&mut self, status: &Value) {
        self.restarts = self.restarts.saturating_add(integer(status, "/restartCount").unwrap_or(0));
        let time = text(status, "/lastState/terminated/finishedAt");
        if !time.is_empty() && self.last_restart.as_deref().is_none_or(|last| last < time) {
            self.last_restart = Some(time.into());
        }
    }
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

fn has_condition(conditions: &[Value], kind: &str) -> bool {
    find(conditions, "type", kind).is_some_and(|condition| text(condition, "/status") == "True")
}

fn ended(terminated: &Value) -> String {
    let reason = text(terminated, "/reason");
    match integer(terminated, "/signal") {
        _ if !reason.is_empty() => reason.into(),
        Some(signal) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", integer(terminated, "/exitCode").unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::case;
    use serde_json::{Value, json};

    #[track_caller]
    fn pod(status: Value, ready: &str, reason: &str, restarts: &str) {
        let spec = json!({"containers": [{"name": "c"}], "initContainers": [{"name": "i"}], "nodeName": "n"});
        let cells = json!(["x", ready, reason, restarts, "5m", "<none>", "n", "<none>", "<none>"]);
        case("Pod", json!({"metadata": {}, "spec": spec, "status": status}), cells);
    }

    fn container(state: Value, ready: bool, restarts: i64) -> Value {
        json!({"phase": "Running", "containerStatuses": [{"name": "c", "ready": ready, "restartCount": restarts, "state": state,
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:58:00Z"}}}]})
    }

    #[test]
    fn the_status_tells_what_holds_the_pod() {
        pod(json!({"phase": "Pending"}), "0/1", "Pending", "0");
        pod(container(json!({"running": {}}), true, 0), "1/1", "Running", "0");
        pod(
            container(json!({"waiting": {"reason": "CrashLoopBackOff"}}), false, 2),
            "0/1",
            "CrashLoopBackOff",
            "2 (2m ago)",
        );
        pod(container(json!({"waiting": {"reason": "ImagePullBackOff"}}), false, 0), "0/1", "ImagePullBackOff", "0");
        pod(
            container(json!({"terminated": {"reason": "Completed", "exitCode": 0}}), false, 0),
            "0/1",
            "Completed",
            "0",
        );
        pod(container(json!({"terminated": {"exitCode": 3}}), false, 0), "0/1", "ExitCode:3", "0");
        pod(json!({"phase": "Failed", "reason": "Evicted"}), "0/1", "Evicted", "0");
    }

    #[test]
    fn init_containers_come_first() {
        let init = |state: Value| {
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "restartCount": 1, "state": state}],
            "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "PodInitializing"}}}]})
        };
        pod(init(json!({"running": {}})), "0/1", "Init:0/1", "1");
        pod(init(json!({"waiting": {"reason": "ErrImagePull"}})), "0/1", "Init:ErrImagePull", "1");
        pod(init(json!({"terminated": {"exitCode": 1, "reason": "Error"}})), "0/1", "Init:Error", "1");
        pod(init(json!({"terminated": {"exitCode": 0}})), "0/1", "PodInitializing", "0");
    }

    #[test]
    fn a_deleted_pod_terminates() {
        let metadata = json!({"deletionTimestamp": "2026-01-01T00:59:00Z"});
        let cells = json!(["x", "0/0", "Terminating", "0", "5m", "<none>", "<none>", "<none>", "<none>"]);
        case("Pod", json!({"metadata": metadata, "status": {"phase": "Running"}}), cells);
    }
}
