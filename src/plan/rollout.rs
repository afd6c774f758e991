//! How far a workload is, by the rules of `kubectl rollout status`.

use serde_json::Value;

/// How far a workload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    pub ready: u64,
    pub desired: u64,
    pub state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Complete,
    /// What is still missing.
    Progressing(String),
    /// It will not complete by itself: the controller's words.
    Failed(String),
}

/// Workload kinds that a rollout is awaited for, with their API versions.
pub const WORKLOADS: [(&str, &str); 5] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("v1", "Pod"),
];

/// Reads the state of a workload from its object. Kinds that have no rollout are complete.
pub fn rollout(object: &Value) -> Rollout {
    let status = &object["status"];
    let (ready, desired) = match object["kind"].as_str().unwrap_or_default() {
        "Deployment" | "StatefulSet" => (count(status, "readyReplicas"), replicas(object)),
        "DaemonSet" => (count(status, "numberReady"), count(status, "desiredNumberScheduled")),
        "Job" => (count(status, "succeeded"), object["spec"]["completions"].as_u64().unwrap_or(1)),
        "Pod" => (u64::from(pod_is_done(object)), 1),
        _ => (0, 0),
    };
    Rollout { ready, desired, state: state(object) }
}

/// Returns the condition of this type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn state(object: &Value) -> State {
    let kind = object["kind"].as_str().unwrap_or_default();
    let observed = object["status"]["observedGeneration"].as_u64().unwrap_or(0);
    let rolls = matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet");
    if rolls && observed < object["metadata"]["generation"].as_u64().unwrap_or(0) {
        return State::Progressing("its controller has not seen the change yet".into());
    }
    let missing = match kind {
        "Deployment" => return deployment(object),
        "Job" => return job(object),
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => daemon_set(object),
        "Pod" if !pod_is_done(object) => Some("not ready".into()),
        _ => None,
    };
    missing.map_or(State::Complete, State::Progressing)
}

fn deployment(object: &Value) -> State {
    let status = &object["status"];
    if let Some(progressing) = condition(object, "Progressing")
        && progressing["reason"] == "ProgressDeadlineExceeded"
    {
        return State::Failed(words(progressing));
    }
    let (wanted, updated) = (replicas(object), count(status, "updatedReplicas"));
    let (all, available) = (count(status, "replicas"), count(status, "availableReplicas"));
    if updated < wanted {
        State::Progressing(format!("{updated} of {wanted} replicas updated"))
    } else if all > updated {
        State::Progressing(format!("{} old replicas still running", all - updated))
    } else if available < updated {
        State::Progressing(format!("{available} of {updated} replicas available"))
    } else {
        State::Complete
    }
}

fn stateful_set(object: &Value) -> Option<String> {
    let status = &object["status"];
    let (wanted, ready) = (replicas(object), count(status, "readyReplicas"));
    if ready < wanted {
        return Some(format!("{ready} of {wanted} replicas ready"));
    }
    let strategy = &object["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" || status["updateRevision"] == status["currentRevision"] {
        return None;
    }
    let updatable = wanted.saturating_sub(strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0));
    let updated = count(status, "updatedReplicas");
    (updated < updatable).then(|| format!("{updated} of {updatable} replicas updated"))
}

fn daemon_set(object: &Value) -> Option<String> {
    let status = &object["status"];
    let (wanted, available) = (count(status, "desiredNumberScheduled"), count(status, "numberAvailable"));
    let updated = count(status, "updatedNumberScheduled");
    let on_delete = object["spec"]["updateStrategy"]["type"] == "OnDelete";
    if updated < wanted && !on_delete {
        return Some(format!("{updated} of {wanted} pods updated"));
    }
    (available < wanted).then(|| format!("{available} of {wanted} pods available"))
}

fn job(object: &Value) -> State {
    let holds = |kind: &str| condition(object, kind).filter(|condition| condition["status"] == "True");
    if let Some(failed) = holds("Failed") {
        State::Failed(words(failed))
    } else if holds("Complete").is_some() || object["spec"]["suspend"] == true {
        State::Complete
    } else {
        State::Progressing("not complete".into())
    }
}

fn pod_is_done(object: &Value) -> bool {
    object["status"]["phase"] == "Succeeded"
        || condition(object, "Ready").is_some_and(|condition| condition["status"] == "True")
}

fn replicas(object: &Value) -> u64 {
    object["spec"]["replicas"].as_u64().unwrap_or(1)
}

fn count(status: &Value, field: &str) -> u64 {
    status[field].as_u64().unwrap_or(0)
}

fn words(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().unwrap_or_default();
    format!("{}: {}", text("reason"), text("message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn case(object: Value, expected: &str) {
        let found = match rollout(&object).state {
            State::Complete => "complete".into(),
            State::Progressing(missing) => missing,
            State::Failed(words) => format!("failed: {words}"),
        };
        assert_eq!(found, expected);
    }

    fn deployment(status: Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status})
    }

    #[test]
    fn deployments() {
        case(deployment(json!({"observedGeneration": 1})), "its controller has not seen the change yet");
        case(deployment(json!({"observedGeneration": 2, "updatedReplicas": 1})), "1 of 2 replicas updated");
        case(
            deployment(json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 3})),
            "1 old replicas still running",
        );
        case(
            deployment(json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 1})),
            "1 of 2 replicas available",
        );
        case(
            deployment(json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2})),
            "complete",
        );
        let exceeded =
            json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "m"}]);
        case(
            deployment(json!({"observedGeneration": 2, "conditions": exceeded})),
            "failed: ProgressDeadlineExceeded: m",
        );
    }

    #[test]
    fn stateful_sets() {
        let set = |ready: u64, updated: u64, partition: u64| {
            json!({"kind": "StatefulSet", "metadata": {}, "spec": {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": partition}}},
                "status": {"readyReplicas": ready, "updatedReplicas": updated, "updateRevision": "b", "currentRevision": "a"}})
        };
        case(set(1, 0, 0), "1 of 2 replicas ready");
        case(set(2, 1, 0), "1 of 2 replicas updated");
        case(set(2, 1, 1), "complete");
        case(set(2, 2, 0), "complete");
    }

    #[test]
    fn jobs_and_pods() {
        let job = |kind: &str| json!({"kind": "Job", "status": {"conditions": [{"type": kind, "status": "True", "reason": "R", "message": "m"}]}});
        case(job("Complete"), "complete");
        case(job("Failed"), "failed: R: m");
        case(json!({"kind": "Job"}), "not complete");
        case(json!({"kind": "Pod", "status": {"phase": "Running"}}), "not ready");
        case(json!({"kind": "ConfigMap"}), "complete");
    }
}
