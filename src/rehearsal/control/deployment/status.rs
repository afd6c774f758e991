//! A Deployment's counts and conditions: what `kubectl rollout status` and `wait` look at.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Deployment, Set, rollout};
use crate::rehearsal::control::{
    condition::{self, Condition},
    context::Context,
    queue::Controller,
};

pub fn write(cx: &mut Context, deployment: &Deployment) {
    let before = &deployment.value["status"];
    let mut status = counts(deployment);
    status["conditions"] = before["conditions"].clone();
    if !before["collisionCount"].is_null() {
        status["collisionCount"] = before["collisionCount"].clone();
    }
    available(deployment, &mut status);
    progressing(cx, deployment, before, &mut status);
    if status["conditions"].is_null() {
        status.as_object_mut().map(|status| status.remove("conditions"));
    }
    cx.update_status(&deployment.object, status);
}

fn counts(deployment: &Deployment) -> Value {
    let total = deployment.total(|set| set.count("replicas"));
    let available = deployment.total(|set| set.count("availableReplicas"));
    let updated = deployment.new.as_ref().map_or(0, |new| new.count("replicas"));
    let counts = [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", deployment.total(|set| set.count("readyReplicas"))),
        ("availableReplicas", available),
        ("unavailableReplicas", deployment.total(Set::replicas).max(deployment.desired()) - available),
    ];
    let mut status = json!({"observedGeneration": deployment.value["metadata"]["generation"]});
    for (key, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        status[key] = json!(count);
    }
    status
}

fn set(status: &mut Value, kind: &str, holds: &str, reason: &str, message: &str) {
    let before = condition::get(status, kind).clone();
    let entry = condition::set(status, Condition { kind, status: holds, reason, message });
    if before["status"] != entry["status"]
        || before["reason"] != entry["reason"]
        || before["message"] != entry["message"]
    {
        entry["lastUpdateTime"] = json!(condition::now());
    }
}

fn available(deployment: &Deployment, status: &mut Value) {
    let least = deployment.desired() - rollout::limits(deployment).1;
    if status["availableReplicas"].as_i64().unwrap_or(0) >= least {
        let message = "Deployment has minimum availability.";
        set(status, "Available", "True", "MinimumReplicasAvailable", message);
    } else {
        let message = "Deployment does not have minimum availability.";
        set(status, "Available", "False", "MinimumReplicasUnavailable", message);
    }
}

fn progressing(cx: &mut Context, deployment: &Deployment, before: &Value, status: &mut Value) {
    let patience = deployment.value["spec"]["progressDeadlineSeconds"].as_i64().unwrap_or(600);
    let name = &deployment.object.key.name;
    if deployment.value["spec"]["paused"] == true {
        return set(status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
    }
    let Some(new) = &deployment.new else { return };
    let set_name = &new.object.key.name;
    let count = |status: &Value, key: &str| status[key].as_i64().unwrap_or(0);
    let desired = deployment.desired();
    let complete = ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|key| count(status, key) == desired);
    let known = condition::get(before, "Progressing").clone();
    if complete {
        let message = format!("ReplicaSet \"{set_name}\" has successfully progressed.");
        return set(status, "Progressing", "True", "NewReplicaSetAvailable", &message);
    }
    // Once complete, a rollout is over: pods that fail later do not start its clock again.
    let over = known["reason"] == "NewReplicaSetAvailable"
        && known["message"].as_str().is_some_and(|it| it.contains(set_name.as_str()));
    if over {
        return;
    }
    let progressed = ["updatedReplicas", "readyReplicas", "availableReplicas"]
        .iter()
        .any(|key| count(status, key) > count(before, key))
        || count(status, "replicas") - count(status, "updatedReplicas")
            < count(before, "replicas") - count(before, "updatedReplicas");
    let message = format!("ReplicaSet \"{set_name}\" is progressing.");
    if progressed
        || known.is_null()
        || known["reason"] == "NewReplicaSetAvailable"
        || known["reason"] == "DeploymentPaused"
    {
        set(status, "Progressing", "True", "ReplicaSetUpdated", &message);
        condition::set(
            status,
            Condition { kind: "Progressing", status: "True", reason: "ReplicaSetUpdated", message: &message },
        )["lastUpdateTime"] = json!(condition::now());
    }
    let waited = condition::age(&condition::get(status, "Progressing")["lastUpdateTime"]);
    if waited >= patience {
        let message = format!("ReplicaSet \"{set_name}\" has timed out progressing.");
        set(status, "Progressing", "False", "ProgressDeadlineExceeded", &message);
    } else {
        let left = Duration::from_secs((patience - waited).unsigned_abs());
        cx.after(Controller::Deployment, &deployment.object.key.namespace, name, left);
    }
}
