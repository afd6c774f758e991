//! PodDisruptionBudgets: how many of their pods may be evicted now.

use serde_json::{Value, json};

use super::{
    condition::{self, Condition},
    context::Context,
    deployment::share,
    selector,
};

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some(budget) = cx.get("PodDisruptionBudget", namespace, name) else { return };
    let value = budget.value();
    let spec = &value["spec"];
    let pods = cx.index.pods_in(namespace);
    let pods: Vec<_> =
        pods.filter(|pod| !pod.ended() && selector::matches(&spec["selector"], &pod.object.labels)).cloned().collect();
    let expected = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    let healthy = pods.iter().filter(|pod| pod.ready && !pod.object.deleting).count();
    let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
    let desired = match (&spec["minAvailable"], &spec["maxUnavailable"]) {
        (Value::Null, Value::Null) => (expected - 1).max(0),
        (Value::Null, most) => (expected - share(most, expected, true)).max(0),
        (least, _) => share(least, expected, true),
    };
    let allowed = (healthy - desired).max(0);
    let mut status = value["status"].clone();
    for (key, count) in [
        ("currentHealthy", healthy),
        ("desiredHealthy", desired),
        ("disruptionsAllowed", allowed),
        ("expectedPods", expected),
    ] {
        status[key] = json!(count);
    }
    status["observedGeneration"] = value["metadata"]["generation"].clone();
    let (holds, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let entry =
        condition::set(&mut status, Condition { kind: "DisruptionAllowed", status: holds, reason, message: "" });
    entry["observedGeneration"] = value["metadata"]["generation"].clone();
    entry["message"] = json!("");
    cx.update_status(&budget, status);
}
