//! Horizontal pod autoscalers, fed with a simulated load.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    condition::{self, Condition},
    context::Context,
    events::Event,
    queue::Controller,
};
use crate::rehearsal::store::Object;

/// Percent of its request that every container uses.
const LOAD: i64 = 10;
/// How long fewer replicas must do before some are taken away.
const STABILIZATION: Duration = Duration::from_secs(300);
const PERIOD: Duration = Duration::from_secs(15);
const COMPONENT: &str = "horizontal-pod-autoscaler";
const UNMEASURED: &str = "FailedGetResourceMetric";

/// Since when each autoscaler has wanted fewer replicas.
#[derive(Default)]
pub struct Memory {
    fewer_since: HashMap<String, Instant>,
}

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some(scaler) = cx.get("HorizontalPodAutoscaler", namespace, name) else { return };
    let value = scaler.value();
    let reference = &value["spec"]["scaleTargetRef"];
    let text = |key: &str| reference[key].as_str().unwrap_or_default().to_owned();
    let (kind, target) = (text("kind"), text("name"));
    let known = ["Deployment", "StatefulSet", "ReplicaSet"].contains(&kind.as_str());
    let target = if known { cx.get(&kind, namespace, &target) } else { None };
    let mut status = value["status"].clone();
    if let Some(target) = target {
        evaluate(cx, &scaler, &value, &target, &mut status);
    } else {
        let resource = format!("{}.apps", kind.to_lowercase() + "s");
        let message = format!(
            "the HPA controller was unable to get the target's current scale: {resource} \"{}\" not found",
            text("name")
        );
        set(&mut status, "AbleToScale", false, "FailedGetScale", &message);
        if cx.kubelet.first(&scaler.uid, &message) {
            cx.event(&scaler, Event::warning(COMPONENT, "FailedGetScale", message));
        }
    }
    let active = condition::holds(&status, "ScalingActive");
    cx.update_status(&scaler, status);
    let period = if active { PERIOD } else { cx.world.pace.back_off.min(PERIOD) };
    cx.after(Controller::Hpa, namespace, name, period);
}

fn set(status: &mut Value, kind: &str, holds: bool, reason: &str, message: &str) {
    condition::set(status, Condition { kind, status: condition::word(holds), reason, message });
}

fn evaluate(cx: &mut Context, scaler: &Object, value: &Value, target: &Object, status: &mut Value) {
    let scale = target.value();
    let current = scale["spec"]["replicas"].as_i64().unwrap_or(1);
    status["currentReplicas"] = json!(scale["status"]["replicas"].as_i64().unwrap_or(0));
    set(
        status,
        "AbleToScale",
        true,
        "SucceededGetScale",
        "the HPA controller was able to get the target's current scale",
    );
    if current == 0 {
        status["desiredReplicas"] = json!(0);
        return set(
            status,
            "ScalingActive",
            false,
            "ScalingDisabled",
            "scaling is disabled since the replica count of the target is zero",
        );
    }
    if let Some((bound, cause)) = bound(value, current) {
        status["desiredReplicas"] = json!(bound);
        return rescale(cx, scaler, target, scale, (bound, cause), status);
    }
    let selector = &scale["spec"]["selector"];
    let pods = cx.index.pods_in(&target.key.namespace);
    let pods: Vec<_> =
        pods.filter(|pod| pod.active() && super::selector::matches(selector, &pod.object.labels)).cloned().collect();
    let ready = i64::try_from(pods.iter().filter(|pod| pod.ready).count()).unwrap_or(0);
    let example = pods.first().map_or("", |pod| pod.name());
    let wanted = match recommend(cx, value, &scale, (ready, example), status) {
        Ok(wanted) => wanted,
        Err(cause) => {
            status["desiredReplicas"] = json!(current);
            let message = format!("the HPA was unable to compute the replica count: {cause}");
            set(status, "ScalingActive", false, UNMEASURED, &message);
            return say_unmeasured(cx, scaler, &cause);
        }
    };
    let message = "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)";
    set(status, "ScalingActive", true, "ValidMetricFound", message);
    let desired = limited(value, wanted, status);
    let desired = stabilized(cx, &scaler.uid, value, current, desired, status);
    status["desiredReplicas"] = json!(desired);
    if desired != current {
        let cause = match desired > current {
            true => "cpu resource utilization (percentage of request) above target",
            false => "All metrics below target",
        };
        rescale(cx, scaler, target, scale, (desired, cause), status);
    }
}

/// Returns the bound that the replicas are beyond, whatever the load is, and the words for it.
fn bound(value: &Value, current: i64) -> Option<(i64, &'static str)> {
    let (least, most) = range(value);
    if current > most {
        Some((most, "Current number of replicas above Spec.MaxReplicas"))
    } else if current < least {
        Some((least, "Current number of replicas below Spec.MinReplicas"))
    } else {
        None
    }
}

fn range(value: &Value) -> (i64, i64) {
    let least = value["spec"]["minReplicas"].as_i64().unwrap_or(1);
    let most = value["spec"]["maxReplicas"].as_i64().unwrap_or(least);
    (least, most.max(least))
}

fn say_unmeasured(cx: &mut Context, scaler: &Object, cause: &str) {
    if cx.kubelet.first(&scaler.uid, cause) {
        cx.event(scaler, Event::warning(COMPONENT, UNMEASURED, cause));
        let message = format!(
            "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {cause}"
        );
        cx.event(scaler, Event::warning(COMPONENT, "FailedComputeMetricsReplicas", message));
    }
}

/// Returns the replicas that the simulated load asks for, and writes the measured values. Fails with the cause.
fn recommend(
    cx: &Context,
    value: &Value,
    scale: &Value,
    (ready, example): (i64, &str),
    status: &mut Value,
) -> Result<i64, String> {
    let failed = |cause: String| format!("failed to get cpu utilization: {cause}");
    if cx.world.disabled.iter().any(|component| component == "metrics-server") {
        let cause = "unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: \
                     the server could not find the requested resource (get pods.metrics.k8s.io)";
        return Err(failed(cause.into()));
    }
    let mut measured = Vec::new();
    let mut wanted = 0;
    let spec = &scale["spec"]["template"]["spec"];
    let request = super::requests::Requests::of_pod(spec);
    for metric in
        value["spec"]["metrics"].as_array().into_iter().flatten().filter(|metric| metric["type"] == "Resource")
    {
        let resource = metric["resource"]["name"].as_str().unwrap_or("cpu");
        if let Some(container) = without_request(spec, resource) {
            return Err(failed(format!("missing request for {resource} in container {container} of Pod {example}")));
        }
        let goal = metric["resource"]["target"]["averageUtilization"].as_i64().unwrap_or(80).max(1);
        let average = match resource {
            "memory" => format!("{}", request.memory * LOAD / 100),
            _ => format!("{}m", request.cpu * LOAD / 100),
        };
        measured.push(json!({"type": "Resource", "resource": {
            "name": resource, "current": {"averageUtilization": LOAD, "averageValue": average},
        }}));
        wanted = wanted.max((ready * LOAD + goal - 1) / goal);
    }
    if ready == 0 || measured.is_empty() {
        return Err(failed("did not receive metrics for targeted pods (pods might be unready)".into()));
    }
    status["currentMetrics"] = Value::Array(measured);
    Ok(wanted)
}

fn limited(value: &Value, wanted: i64, status: &mut Value) -> i64 {
    let (least, most) = range(value);
    let (holds, reason, message) = if wanted < least {
        (true, "TooFewReplicas", "the desired replica count is less than the minimum replica count")
    } else if wanted > most {
        (true, "TooManyReplicas", "the desired replica count is more than the maximum replica count")
    } else {
        (false, "DesiredWithinRange", "the desired count is within the acceptable range")
    };
    set(status, "ScalingLimited", holds, reason, message);
    wanted.clamp(least, most)
}

/// Scales up at once and down only after a while, so that nobody who scales by hand is fought.
fn stabilized(cx: &mut Context, uid: &str, value: &Value, current: i64, desired: i64, status: &mut Value) -> i64 {
    if desired >= current {
        cx.autoscaler.fewer_since.remove(uid);
        set(status, "AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
        return desired;
    }
    let window = value["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"].as_u64();
    let window = window.map_or(STABILIZATION, Duration::from_secs);
    let since = *cx.autoscaler.fewer_since.entry(uid.to_owned()).or_insert_with(Instant::now);
    if since.elapsed() < window {
        let message = "recent recommendations were higher than current one, applying the highest recent recommendation";
        set(status, "AbleToScale", true, "ScaleDownStabilized", message);
        return current;
    }
    cx.autoscaler.fewer_since.remove(uid);
    desired
}

fn rescale(
    cx: &mut Context,
    scaler: &Object,
    target: &Object,
    mut scale: Value,
    (desired, cause): (i64, &str),
    status: &mut Value,
) {
    scale["spec"]["replicas"] = json!(desired);
    if !cx.update(target, scale) {
        return;
    }
    status["lastScaleTime"] = json!(condition::now());
    set(
        status,
        "AbleToScale",
        true,
        "SucceededRescale",
        &format!("the HPA controller was able to update the target scale to {desired}"),
    );
    let message = format!("New size: {desired}; reason: {cause}");
    cx.event(scaler, Event::normal(COMPONENT, "SuccessfulRescale", message));
}

/// Returns the first container of a pod's spec that asks for no share of the resource.
fn without_request(spec: &Value, resource: &str) -> Option<String> {
    let missing = super::requests::containers(spec, "containers").find(|container| {
        let resources = &container["resources"];
        resources["requests"][resource].is_null() && resources["limits"][resource].is_null()
    });
    missing.map(|container| container["name"].as_str().unwrap_or_default().to_owned())
}
