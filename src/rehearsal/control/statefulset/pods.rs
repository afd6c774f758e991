//! Which pod of a StatefulSet is made, deleted or replaced next.

use serde_json::{Value, json};

use super::{
    super::{
        context::{Context, new_object},
        index::Pod,
        revision,
        template::{self, set_label},
    },
    Set, say,
};
use crate::rehearsal::store::Object;

/// Returns the number at the end of a pod's name.
pub fn ordinal(set: &Object, pod: &str) -> Option<i64> {
    pod.strip_prefix(set.key.name.as_str())?.strip_prefix('-')?.parse().ok()
}

/// Makes the pods that are missing; in order, each after the one before is ready. Returns whether all are there and healthy.
pub fn create_missing(cx: &mut Context, set: &Set) -> bool {
    for ordinal in set.start()..set.start() + set.replicas() {
        match set.pods.get(&ordinal) {
            Some(pod) if pod.ended() && !pod.object.deleting => {
                let reason = if pod.phase == "Failed" { "RecreatingFailedPod" } else { "RecreatingTerminatedPod" };
                say(cx, set, reason, format!("StatefulSet {} is recreating Pod {}", set.object.key.name, pod.name()));
                cx.delete(&pod.object);
                return false;
            }
            Some(pod) if set.ordered() && !healthy(set, pod) => return false,
            Some(_) => {}
            None => {
                create(cx, set, ordinal);
                if set.ordered() {
                    return false;
                }
            }
        }
    }
    true
}

fn healthy(set: &Set, pod: &Pod) -> bool {
    !pod.object.deleting && pod.phase == "Running" && pod.available(set.patience())
}

fn create(cx: &mut Context, set: &Set, ordinal: i64) {
    let (name, namespace) = (&set.object.key.name, &set.object.key.namespace);
    let pod_name = format!("{name}-{ordinal}");
    let (template, revision) = template_for(cx, set, ordinal);
    let mut pod = template::pod(&set.object, &template, &pod_name);
    set_label(&mut pod, revision::LABEL, &revision);
    set_label(&mut pod, "statefulset.kubernetes.io/pod-name", &pod_name);
    set_label(&mut pod, "apps.kubernetes.io/pod-index", &ordinal.to_string());
    pod["spec"]["hostname"] = json!(pod_name);
    if set.value["spec"]["serviceName"].as_str().is_some_and(|name| !name.is_empty()) {
        pod["spec"]["subdomain"] = set.value["spec"]["serviceName"].clone();
    }
    for template in set.value["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let claim = claim(cx, set, template, &pod_name);
        mount(&mut pod["spec"], template, &claim);
    }
    if cx.get("Pod", namespace, &pod_name).is_none() && cx.create("Pod", pod).is_some() {
        let message = format!("create Pod {pod_name} in StatefulSet {name} successful");
        say(cx, set, "SuccessfulCreate", message);
    }
}

/// Pods below the partition keep the revision that was complete last.
fn template_for(cx: &Context, set: &Set, ordinal: i64) -> (Value, String) {
    let kept = ordinal < set.start() + set.partition();
    let old = cx.get("ControllerRevision", &set.object.key.namespace, &set.current);
    match old.filter(|_| kept) {
        Some(old) => (old.value()["data"]["spec"]["template"].take(), set.current.clone()),
        None => (set.value["spec"]["template"].clone(), set.update.clone()),
    }
}

/// Makes sure that a pod's claim is there, and returns its name. It is kept when the pod goes.
fn claim(cx: &mut Context, set: &Set, template: &Value, pod: &str) -> String {
    let namespace = &set.object.key.namespace;
    let name = format!("{}-{pod}", template["metadata"]["name"].as_str().unwrap_or_default());
    if cx.get("PersistentVolumeClaim", namespace, &name).is_some() {
        return name;
    }
    let mut claim = new_object("PersistentVolumeClaim", namespace, &name);
    claim["metadata"]["annotations"] = template["metadata"]["annotations"].clone();
    claim["metadata"]["labels"] = set.value["spec"]["selector"]["matchLabels"].clone();
    for part in ["annotations", "labels"] {
        if claim["metadata"][part].is_null() {
            claim["metadata"].as_object_mut().map(|metadata| metadata.remove(part));
        }
    }
    for (key, text) in template["metadata"]["labels"].as_object().into_iter().flatten() {
        set_label(&mut claim, key, text.as_str().unwrap_or_default());
    }
    claim["spec"] = template["spec"].clone();
    claim["status"] = json!({"phase": "Pending"});
    if cx.create_sparse("PersistentVolumeClaim", claim).is_some() {
        let message = format!("create Claim {name} Pod {pod} in StatefulSet {} success", set.object.key.name);
        say(cx, set, "SuccessfulCreate", message);
    }
    name
}

fn mount(spec: &mut Value, template: &Value, claim: &str) {
    let name = &template["metadata"]["name"];
    let mut volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
    volumes.retain(|volume| volume["name"] != *name);
    volumes.insert(0, json!({"name": name, "persistentVolumeClaim": {"claimName": claim}}));
    spec["volumes"] = Value::Array(volumes);
}

/// Deletes pods beyond the wanted number, the last first. Returns whether there were none.
pub fn delete_excess(cx: &mut Context, set: &Set) -> bool {
    let excess = set.pods.iter().rev().filter(|(ordinal, _)| !set.wants(**ordinal));
    let mut none = true;
    for (_, pod) in excess {
        none = false;
        delete(cx, set, pod);
        if set.ordered() {
            return false;
        }
    }
    none
}

fn delete(cx: &mut Context, set: &Set, pod: &Pod) {
    if pod.object.deleting {
        return;
    }
    cx.delete(&pod.object);
    let message = format!("delete Pod {} in StatefulSet {} successful", pod.name(), set.object.key.name);
    say(cx, set, "SuccessfulDelete", message);
}

/// Deletes the highest pod that has an old revision, down to the partition, when all above it are healthy.
pub fn replace_outdated(cx: &mut Context, set: &Set) {
    let lowest = set.start() + set.partition();
    for (_, pod) in set.pods.range(lowest..).rev() {
        if !set.updated(pod) {
            return delete(cx, set, pod);
        }
        if !healthy(set, pod) {
            return;
        }
    }
}
