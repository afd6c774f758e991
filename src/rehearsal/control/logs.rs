//! The logs of containers that do not run.

use serde_json::Value;

use super::world::World;

/// Returns what a container would have written since it started, one line each, beginning with the words that it does
/// not run. Empty while it has not started.
pub fn log(pod: &Value, container: &str, world: &World) -> String {
    let Some(status) = status_of(pod, container) else { return String::new() };
    let state = &status["state"];
    let crashed = !state["terminated"].is_null() && state["terminated"]["exitCode"] != 0
        || !status["lastState"]["terminated"].is_null() && !state["waiting"].is_null();
    let began = ["running", "terminated"].iter().any(|key| !state[key].is_null()) || crashed;
    if !began {
        return String::new();
    }
    let mut lines = vec![
        "rehearsal: no container runs here; these lines stand in for its log".to_owned(),
        format!("starting {container} from {}", status["image"].as_str().unwrap_or_default()),
    ];
    lines.extend(listening(pod, container));
    lines.push(last_line(status, crashed, world));
    lines.join("\n") + "\n"
}

fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let lists = ["containerStatuses", "initContainerStatuses"];
    let mut all = lists.iter().flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
    all.find(|status| status["name"] == container)
}

fn listening(pod: &Value, container: &str) -> Vec<String> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let ports = containers.filter(|one| one["name"] == container);
    let ports = ports.flat_map(|one| one["ports"].as_array().into_iter().flatten());
    ports.filter_map(|port| port["containerPort"].as_i64()).map(|port| format!("listening on 0.0.0.0:{port}")).collect()
}

fn last_line(status: &Value, crashed: bool, world: &World) -> String {
    let faults = world.state().faults;
    if crashed {
        let ordered = if faults.crash_loop.is_empty() { "was" } else { "is" };
        return format!("error: the fault `crash-loop` {ordered} ordered for this workload; exiting with code 1");
    }
    if !status["state"]["terminated"].is_null() {
        return "done".into();
    }
    if status["ready"] != true && !faults.not_ready.is_empty() {
        return "warning: the fault `not-ready` is ordered; readiness probes are answered with 503".into();
    }
    "ready".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::{control::world::Pace, faults::Faults};
    use serde_json::json;

    #[test]
    fn a_crashed_container_leaves_the_ordered_fault_as_its_last_line() {
        let faults = Faults { crash_loop: vec!["web".into()], ..Faults::default() };
        let pod = json!({"status": {"containerStatuses": [
            {"name": "web", "image": "web:1", "lastState": {}, "state": {"terminated": {"exitCode": 1}}},
        ]}});
        let log = log(&pod, "web", &World::new(faults, Pace::default()));
        assert!(log.starts_with("rehearsal: no container runs"));
        assert!(log.lines().last().unwrap().starts_with("error: the fault `crash-loop` is ordered"));
    }
}
