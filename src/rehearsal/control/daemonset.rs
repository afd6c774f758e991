//! DaemonSets: one pod on each node that suits it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    context::Context,
    deployment::share,
    events::Event,
    index::Pod,
    replicaset,
    requests::Requests,
    revision,
    scheduler::Candidate,
    template::{self, set_label},
};
use crate::rehearsal::store::Object;

const COMPONENT: &str = "daemonset-controller";

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some(set) = cx.get("DaemonSet", namespace, name) else { return };
    if set.deleting {
        return;
    }
    let value = set.value();
    replicaset::adopt(cx, &set, &value["spec"]["selector"], |_| true);
    let Some(revision) = revision::ensure(cx, &set, &value) else { return };
    let hash = revision::hash_of(&set, &revision.key.name).to_owned();
    let template = tolerant(&value["spec"]["template"]);
    let nodes = suitable_nodes(cx, &template);
    let mut by_node: BTreeMap<String, Arc<Pod>> = BTreeMap::new();
    for pod in cx.index.pods_of(&set.uid) {
        let node = target(&pod);
        let ended = pod.ended() && !pod.object.deleting;
        if ended || !nodes.contains(&node) || by_node.contains_key(&node) {
            delete(cx, &set, &pod);
        } else {
            by_node.insert(node, pod);
        }
    }
    for node in nodes.iter().filter(|node| !by_node.contains_key(*node)) {
        create(cx, &set, &template, &hash, node);
    }
    if value["spec"]["updateStrategy"]["type"] != "OnDelete" {
        replace_outdated(cx, &set, &value, &by_node, &hash);
    }
    write_status(cx, &set, &value, nodes.len(), &by_node, &hash);
    let hashes: Vec<_> = by_node.values().map(|pod| format!("{name}-{}", pod.label(revision::LABEL))).collect();
    let used: Vec<_> = hashes.iter().map(String::as_str).chain([revision.key.name.as_str()]).collect();
    revision::forget_old(cx, &set, &value, &used);
}

/// Adds the tolerations that every daemon has.
fn tolerant(template: &Value) -> Value {
    let mut template = template.clone();
    let mut tolerations = template["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    let taints = [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    for (taint, effect) in taints {
        let key = format!("node.kubernetes.io/{taint}");
        tolerations.push(json!({"key": key, "operator": "Exists", "effect": effect}));
    }
    template["spec"]["tolerations"] = Value::Array(tolerations);
    template
}

fn suitable_nodes(cx: &Context, template: &Value) -> Vec<String> {
    let mut spec = template["spec"].clone();
    // A node that is not ready yet gets its daemons already; the pods wait there.
    if let Some(tolerations) = spec["tolerations"].as_array_mut() {
        tolerations.push(json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists"}));
        tolerations.push(json!({"key": "node.kubernetes.io/unreachable", "operator": "Exists"}));
    }
    let nodes = cx.list("Node", None);
    let nodes = nodes.iter().map(|node| Candidate::new(node, Requests::default()));
    let suitable = nodes.filter(|node| node.matches_affinity(&spec) && node.untolerated(&spec).is_none());
    suitable.map(|node| node.name).collect()
}

/// Returns the node a daemon is for, bound or not.
fn target(pod: &Pod) -> String {
    if !pod.node.is_empty() {
        return pod.node.clone();
    }
    let value = pod.object.value();
    let required = &value["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let field = &required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0];
    field.as_str().unwrap_or_default().to_owned()
}

fn create(cx: &mut Context, set: &Object, template: &Value, hash: &str, node: &str) {
    let mut pod = template::generated_pod(set, template);
    set_label(&mut pod, revision::LABEL, hash);
    set_label(&mut pod, "pod-template-generation", "1");
    pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({"nodeSelectorTerms": [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]},
    ]});
    if let Some(pod) = cx.create("Pod", pod) {
        let message = format!("Created pod: {}", pod.key.name);
        cx.event(set, Event::normal(COMPONENT, "SuccessfulCreate", message));
    }
}

fn delete(cx: &mut Context, set: &Object, pod: &Pod) {
    if pod.object.deleting {
        return;
    }
    cx.delete(&pod.object);
    let message = format!("Deleted pod: {}", pod.name());
    cx.event(set, Event::normal(COMPONENT, "SuccessfulDelete", message));
}

/// Deletes pods of an old template, as many at once as may be unavailable.
fn replace_outdated(cx: &mut Context, set: &Object, value: &Value, pods: &BTreeMap<String, Arc<Pod>>, hash: &str) {
    let whole = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    let most = match &value["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] {
        Value::Null => 1,
        most => share(most, whole, true).max(1),
    };
    let missing = pods.values().filter(|pod| !pod.ready).count();
    let mut budget = usize::try_from(most).unwrap_or(1).saturating_sub(missing);
    for pod in pods.values().filter(|pod| pod.label(revision::LABEL) != hash && !pod.object.deleting) {
        if pod.ready && budget == 0 {
            continue;
        }
        budget -= usize::from(pod.ready);
        delete(cx, set, pod);
    }
}

fn write_status(
    cx: &Context,
    set: &Object,
    value: &Value,
    wanted: usize,
    pods: &BTreeMap<String, Arc<Pod>>,
    hash: &str,
) {
    let count = |holds: &dyn Fn(&Pod) -> bool| pods.values().filter(|pod| holds(pod)).count();
    let ready = count(&|pod| pod.ready);
    let mut status = json!({
        "currentNumberScheduled": pods.len(),
        "desiredNumberScheduled": wanted,
        "numberMisscheduled": 0,
        "numberReady": ready,
        "observedGeneration": value["metadata"]["generation"],
    });
    let updated = count(&|pod| pod.label(revision::LABEL) == hash);
    let unavailable = wanted.saturating_sub(ready);
    let counts = [("updatedNumberScheduled", updated), ("numberAvailable", ready), ("numberUnavailable", unavailable)];
    for (key, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        status[key] = json!(count);
    }
    cx.update_status(set, status);
}
