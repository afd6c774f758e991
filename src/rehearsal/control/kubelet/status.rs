//! A pod's status: from the states of its containers to its conditions and phase.

use serde_json::{Value, json};

use super::super::{
    condition::{self, Condition},
    requests::{containers, quality_of_service},
};

/// Writes the status of a pod that has just reached its node.
pub fn admit(pod: &mut Value, host: &str) {
    let initializing = containers(&pod["spec"], "initContainers").next().is_some();
    let reason = if initializing { "PodInitializing" } else { "ContainerCreating" };
    let waiting = |list: &str, reason: &str| -> Value {
        containers(&pod["spec"], list).map(|container| waiting_status(container, reason)).collect()
    };
    let app = waiting("containers", reason);
    let init = waiting("initContainers", "PodInitializing");
    let quality = quality_of_service(&pod["spec"]);
    let status = &mut pod["status"];
    status["phase"] = json!("Pending");
    status["startTime"] = json!(condition::now());
    status["hostIP"] = json!(host);
    status["hostIPs"] = json!([{"ip": host}]);
    status["qosClass"] = json!(quality);
    status["containerStatuses"] = app;
    if initializing {
        status["initContainerStatuses"] = init;
    }
}

fn waiting_status(container: &Value, reason: &str) -> Value {
    json!({
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "lastState": {},
        "ready": false,
        "restartCount": 0,
        "started": false,
        "state": {"waiting": {"reason": reason}},
    })
}

/// Returns whether the node of these containers was lost since they were last looked at: then they do not run any more.
pub fn was_lost(status: &Value) -> bool {
    condition::get(status, "Ready")["reason"] == "NodeNotReady"
}

/// Returns whether a container that ended is started again.
pub fn restarts(policy: &str, exit_code: i64) -> bool {
    policy == "Always" || (policy == "OnFailure" && exit_code != 0)
}

fn list(status: &Value, key: &str) -> Vec<Value> {
    status[key].as_array().cloned().unwrap_or_default()
}

fn names(statuses: &[&Value]) -> String {
    let names: Vec<_> = statuses.iter().filter_map(|status| status["name"].as_str()).collect();
    format!("[{}]", names.join(" "))
}

/// Returns whether an init container no longer holds the others up: it ended well, or is a sidecar that started.
pub fn initialized(spec: &Value, status: &Value) -> bool {
    let sidecar = containers(spec, "initContainers")
        .any(|container| container["name"] == status["name"] && container["restartPolicy"] == "Always");
    (sidecar && status["started"] == true) || status["state"]["terminated"]["exitCode"] == 0
}

/// Writes phase and conditions as the container states ask for.
pub fn summarize(pod: &mut Value) {
    let policy = pod["spec"]["restartPolicy"].as_str().unwrap_or("Always").to_owned();
    let app = list(&pod["status"], "containerStatuses");
    let init = list(&pod["status"], "initContainerStatuses");
    let uninitialized: Vec<_> = init.iter().filter(|status| !initialized(&pod["spec"], status)).collect();
    let unready: Vec<_> = app.iter().filter(|status| status["ready"] != true).collect();
    let phase = phase(&policy, &app, &init);
    let initialized = uninitialized.is_empty();
    let status = &mut pod["status"];
    status["phase"] = json!(phase);
    let sandbox = status["podIP"].is_string() && phase != "Succeeded" && phase != "Failed";
    set(status, "PodReadyToStartContainers", sandbox, "", "");
    let message = format!("containers with incomplete status: {}", names(&uninitialized));
    match initialized {
        true => set(status, "Initialized", true, if phase == "Succeeded" { "PodCompleted" } else { "" }, ""),
        false => set(status, "Initialized", false, "ContainersNotInitialized", &message),
    }
    let message = format!("containers with unready status: {}", names(&unready));
    let (ready, reason, message) = match phase {
        "Succeeded" => (false, "PodCompleted", ""),
        "Failed" => (false, "PodFailed", ""),
        _ if unready.is_empty() && initialized => (true, "", ""),
        _ => (false, "ContainersNotReady", message.as_str()),
    };
    set(status, "Ready", ready, reason, message);
    set(status, "ContainersReady", ready, reason, message);
    set(status, "PodScheduled", true, "", "");
    sort_conditions(status);
}

/// Brings the conditions into the order that a kubelet writes them in.
fn sort_conditions(status: &mut Value) {
    let order = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
    let place = |condition: &Value| order.iter().position(|kind| condition["type"] == *kind).unwrap_or(order.len());
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.sort_by_key(place);
    }
}

fn set(status: &mut Value, kind: &str, holds: bool, reason: &str, message: &str) {
    let status_word = condition::word(holds);
    condition::set(status, Condition { kind, status: status_word, reason, message })["lastProbeTime"] = Value::Null;
}

fn phase(policy: &str, app: &[Value], init: &[Value]) -> &'static str {
    let exit = |status: &Value| status["state"]["terminated"]["exitCode"].as_i64();
    let over = |status: &Value| exit(status).is_some_and(|code| !restarts(policy, code));
    if init.iter().any(|status| policy == "Never" && exit(status).is_some_and(|code| code != 0)) {
        return "Failed";
    }
    if !app.is_empty() && app.iter().all(over) {
        return if app.iter().all(|status| exit(status) == Some(0)) { "Succeeded" } else { "Failed" };
    }
    let begun = |status: &Value| {
        status["state"]["waiting"].is_null() || status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    };
    if app.iter().any(begun) { "Running" } else { "Pending" }
}

/// Ends every container of a pod that is being deleted.
pub fn stop(pod: &mut Value) {
    for status in pod["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
        if status["state"]["terminated"].is_null() {
            let started = status["state"]["running"]["startedAt"].take();
            let id = status["containerID"].clone();
            status["state"] = json!({"terminated": {
                "containerID": id, "exitCode": 0, "reason": "Completed", "startedAt": started,
                "finishedAt": condition::now(),
            }});
        }
        status["ready"] = json!(false);
        status["started"] = json!(false);
    }
    pod["spec"]["restartPolicy"].as_str().map(str::to_owned).into_iter().for_each(|policy| {
        pod["spec"]["restartPolicy"] = json!("Never");
        summarize(pod);
        pod["spec"]["restartPolicy"] = json!(policy);
    });
}
