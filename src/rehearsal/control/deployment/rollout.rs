//! How replicas move from the old ReplicaSets to the new one.

use serde_json::Value;

use super::{Deployment, Set, ensure_new, scale};
use crate::rehearsal::control::context::Context;

/// Returns how many pods may be there above, and missing below, the desired number.
pub fn limits(deployment: &Deployment) -> (i64, i64) {
    let rolling = &deployment.value["spec"]["strategy"]["rollingUpdate"];
    if deployment.value["spec"]["strategy"]["type"] == "Recreate" {
        return (0, 0);
    }
    let desired = deployment.desired();
    let surge = share(&rolling["maxSurge"], desired, true);
    let unavailable = share(&rolling["maxUnavailable"], desired, false);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable.min(desired)) }
}

/// Returns a number or a percentage of `whole`; 25 % when nothing is written.
pub fn share(value: &Value, whole: i64, up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent: i64 = value.as_str().and_then(|text| text.trim_end_matches('%').parse().ok()).unwrap_or(25);
    (percent * whole + if up { 99 } else { 0 }) / 100
}

pub fn roll(cx: &mut Context, deployment: &mut Deployment) {
    let (surge, unavailable) = limits(deployment);
    let desired = deployment.desired();
    let old = deployment.old.iter().map(Set::replicas).sum::<i64>();
    let first = (desired + surge - old).clamp(0, desired);
    if !ensure_new(cx, deployment, first) {
        return;
    }
    let Some(new) = &deployment.new else { return };
    let total = deployment.total(Set::replicas);
    let wanted = match new.replicas() {
        now if now > desired => desired,
        now => (now + (desired + surge - total).max(0)).min(desired),
    };
    if scale(cx, deployment, new, wanted) {
        return;
    }
    shrink_old(cx, deployment, new, desired - unavailable);
}

/// Scales old ReplicaSets down as far as enough pods stay available: first the pods that are not ready anyway.
fn shrink_old(cx: &mut Context, deployment: &Deployment, new: &Set, least: i64) {
    let total = deployment.total(Set::replicas);
    let unavailable_new = new.replicas() - new.count("availableReplicas");
    let mut budget = total - least - unavailable_new;
    let mut left: Vec<i64> = deployment.old.iter().map(Set::replicas).collect();
    for (set, left) in deployment.old.iter().zip(&mut left) {
        let unhealthy = (set.replicas() - set.count("availableReplicas")).clamp(0, budget.max(0));
        *left -= unhealthy;
        budget -= unhealthy;
    }
    let available = deployment.total(|set| set.count("availableReplicas"));
    let mut spare = (available - least).max(0);
    for left in &mut left {
        let fewer = (*left).min(spare);
        *left -= fewer;
        spare -= fewer;
    }
    for (set, left) in deployment.old.iter().zip(left) {
        if left != set.replicas() {
            scale(cx, deployment, set, left);
        }
    }
}

/// All old pods end before the first new one starts.
pub fn recreate(cx: &mut Context, deployment: &mut Deployment) {
    for set in &deployment.old {
        if set.replicas() > 0 {
            scale(cx, deployment, set, 0);
        }
    }
    let ended = |set: &Set| cx.index.pods_of(&set.object.uid).iter().all(|pod| pod.ended());
    if !deployment.old.iter().all(ended) {
        return;
    }
    let desired = deployment.desired();
    if ensure_new(cx, deployment, desired)
        && let Some(new) = &deployment.new
    {
        scale(cx, deployment, new, desired);
    }
}

/// A paused Deployment starts no rollout, but keeps its number of replicas.
pub fn scale_paused(cx: &mut Context, deployment: &Deployment) {
    let active = deployment.sets().filter(|set| set.replicas() > 0).max_by_key(|set| set.revision());
    let Some(set) = active.or(deployment.new.as_ref()).or(deployment.old.last()) else { return };
    let others = deployment.total(Set::replicas) - set.replicas();
    let wanted = (deployment.desired() - others).max(0);
    if wanted != set.replicas() {
        scale(cx, deployment, set, wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn surge_rounds_up_and_unavailable_rounds_down() {
        assert_eq!(share(&json!("25%"), 3, true), 1);
        assert_eq!(share(&json!("25%"), 3, false), 0);
        assert_eq!(share(&json!(2), 10, true), 2);
        assert_eq!(share(&Value::Null, 10, true), 3);
    }
}
