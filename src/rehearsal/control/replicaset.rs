//! ReplicaSets: as many pods as asked, made and deleted in one go.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    context::Context,
    events::Event,
    index::Pod,
    queue::Controller,
    selector,
    template::{generated_pod, set_annotation},
};
use crate::rehearsal::store::Object;

const COMPONENT: &str = "replicaset-controller";

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some(set) = cx.get("ReplicaSet", namespace, name) else { return };
    let value = set.value();
    if !set.deleting {
        adopt(cx, &set, &value["spec"]["selector"], |_| true);
    }
    let pods = cx.index.pods_of(&set.uid);
    let active: Vec<_> = pods.into_iter().filter(|pod| pod.active()).collect();
    let wanted = usize::try_from(value["spec"]["replicas"].as_i64().unwrap_or(1)).unwrap_or(0);
    if !set.deleting {
        if active.len() < wanted {
            create(cx, &set, &value["spec"]["template"], wanted - active.len());
        } else if active.len() > wanted {
            delete(cx, &set, &active, active.len() - wanted);
        }
    }
    write_status(cx, &set, &value, &active);
}

/// Takes pods without a controller that the selector matches, if they are members by name too.
pub fn adopt(cx: &Context, owner: &Object, selector: &Value, member: impl Fn(&str) -> bool) {
    let namespace = &owner.key.namespace;
    let orphans = cx.index.orphans.iter().filter(|(of, _)| of == namespace);
    for (namespace, name) in orphans {
        let Some(pod) = cx.index.get(namespace, name) else { continue };
        if pod.active() && member(name) && selector::matches(selector, &pod.object.labels) {
            let mut value = pod.object.value();
            value["metadata"]["ownerReferences"] = super::context::controlled_by(owner);
            cx.update(&pod.object, value);
        }
    }
}

fn create(cx: &mut Context, set: &Object, template: &Value, count: usize) {
    for _ in 0..count {
        let Some(pod) = cx.create("Pod", generated_pod(set, template)) else { return };
        let message = format!("Created pod: {}", pod.key.name);
        cx.event(set, Event::normal(COMPONENT, "SuccessfulCreate", message));
    }
}

fn delete(cx: &mut Context, set: &Object, active: &[Arc<Pod>], count: usize) {
    let mut candidates: Vec<_> = active.iter().collect();
    candidates.sort_by_key(|pod| rank(pod));
    for pod in candidates.into_iter().take(count) {
        cx.delete(&pod.object);
        let message = format!("Deleted pod: {}", pod.name());
        cx.event(set, Event::normal(COMPONENT, "SuccessfulDelete", message));
    }
}

/// Sorts first what is missed least: unassigned, pending, not ready, young.
fn rank(pod: &Pod) -> impl Ord + use<> {
    let young = std::cmp::Reverse((pod.created.clone(), pod.object.version));
    (!pod.node.is_empty(), pod.phase == "Running", pod.ready, young)
}

fn write_status(cx: &mut Context, set: &Object, value: &Value, active: &[Arc<Pod>]) {
    let patience = value["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    let ready = active.iter().filter(|pod| pod.ready).count();
    let available = active.iter().filter(|pod| pod.available(patience)).count();
    let labels = &value["spec"]["template"]["metadata"]["labels"];
    let labelled = active.iter().filter(|pod| selector::is_subset(labels, &pod.object.labels)).count();
    let mut status = json!({"replicas": active.len(), "observedGeneration": value["metadata"]["generation"]});
    for (key, count) in [("fullyLabeledReplicas", labelled), ("readyReplicas", ready), ("availableReplicas", available)]
    {
        if count > 0 {
            status[key] = json!(count);
        }
    }
    cx.update_status(set, status);
    if available < ready {
        let (namespace, name) = (&set.key.namespace, &set.key.name);
        cx.after(Controller::ReplicaSet, namespace, name, std::time::Duration::from_secs(1));
    }
}

/// Sets the number of replicas of a ReplicaSet, and on it what its Deployment wants altogether.
pub fn scale(cx: &mut Context, set: &Object, replicas: i64, desired: i64, most: i64) -> bool {
    let mut value = set.value();
    value["spec"]["replicas"] = json!(replicas);
    set_annotation(&mut value, "deployment.kubernetes.io/desired-replicas", &desired.to_string());
    set_annotation(&mut value, "deployment.kubernetes.io/max-replicas", &most.to_string());
    cx.update(set, value)
}
