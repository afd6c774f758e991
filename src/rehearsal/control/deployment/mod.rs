//! Deployments: a ReplicaSet per template, rolled from the old to the new one.

mod rollout;
mod status;

pub use rollout::share;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    context::{Context, controlled_by, new_object},
    events::Event,
    queue::Controller,
    replicaset, selector,
    template::{self, set_annotation, set_label},
};
use crate::rehearsal::store::Object;

const COMPONENT: &str = "deployment-controller";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HASH: &str = "pod-template-hash";

/// A ReplicaSet of the Deployment, decoded.
struct Set {
    object: Arc<Object>,
    value: Value,
}

impl Set {
    fn replicas(&self) -> i64 {
        self.value["spec"]["replicas"].as_i64().unwrap_or(0)
    }

    fn count(&self, key: &str) -> i64 {
        self.value["status"][key].as_i64().unwrap_or(0)
    }

    fn revision(&self) -> i64 {
        revision(&self.value)
    }
}

fn revision(value: &Value) -> i64 {
    value["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A Deployment with its ReplicaSets.
struct Deployment {
    object: Arc<Object>,
    value: Value,
    new: Option<Set>,
    /// Oldest revision first.
    old: Vec<Set>,
}

impl Deployment {
    fn desired(&self) -> i64 {
        self.value["spec"]["replicas"].as_i64().unwrap_or(1)
    }

    fn sets(&self) -> impl Iterator<Item = &Set> {
        self.old.iter().chain(&self.new)
    }

    fn total(&self, of: impl Fn(&Set) -> i64) -> i64 {
        self.sets().map(of).sum()
    }
}

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some(object) = cx.get("Deployment", namespace, name) else { return };
    if !object.deleting && adopt(cx, &object) {
        return cx.add(Controller::Deployment, namespace, name);
    }
    let mut deployment = load(cx, object);
    if !deployment.object.deleting {
        if deployment.value["spec"]["paused"] == true {
            rollout::scale_paused(cx, &deployment);
        } else if deployment.value["spec"]["strategy"]["type"] == "Recreate" {
            rollout::recreate(cx, &mut deployment);
        } else {
            rollout::roll(cx, &mut deployment);
        }
        forget_old(cx, &deployment);
    }
    let object = deployment.object.clone();
    let Some(object) = cx.get("Deployment", &object.key.namespace, &object.key.name) else { return };
    let deployment = load(cx, object);
    status::write(cx, &deployment);
}

/// Takes the ReplicaSets without a controller that the selector matches; returns whether there were any.
fn adopt(cx: &Context, deployment: &Object) -> bool {
    let orphans = cx.list("ReplicaSet", Some(&deployment.key.namespace)).into_iter();
    let orphans: Vec<_> = orphans.filter(|set| set.controller().is_none() && !set.deleting).collect();
    if orphans.is_empty() {
        return false;
    }
    let selector = deployment.value()["spec"]["selector"].take();
    let mut adopted = false;
    for set in orphans.iter().filter(|set| selector::matches(&selector, &set.labels)) {
        let mut value = set.value();
        value["metadata"]["ownerReferences"] = controlled_by(deployment);
        adopted |= cx.update(set, value);
    }
    adopted
}

fn load(cx: &Context, object: Arc<Object>) -> Deployment {
    let value = object.value();
    let sets = cx.dependents(&object.uid, "ReplicaSet").into_iter();
    let sets = sets.filter(|set| set.controller().is_some_and(|owner| owner.uid == object.uid) && !set.deleting);
    let mut old: Vec<_> = sets.map(|object| Set { value: object.value(), object }).collect();
    old.sort_by_key(|set| (set.revision(), set.object.version));
    let new = old.iter().rposition(|set| same_template(&set.value["spec"]["template"], &value["spec"]["template"]));
    let new = new.map(|place| old.remove(place));
    Deployment { object, value, new, old }
}

/// Compares a ReplicaSet's template, without the label that was added to it, to a Deployment's.
fn same_template(of_set: &Value, of_deployment: &Value) -> bool {
    let mut plain = of_set.clone();
    if let Some(labels) = plain["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH);
    }
    plain["spec"] == of_deployment["spec"]
        && ["labels", "annotations"].iter().all(|part| {
            let empty = |value: &Value| value.as_object().is_none_or(serde_json::Map::is_empty);
            let (a, b) = (&plain["metadata"][part], &of_deployment["metadata"][part]);
            a == b || (empty(a) && empty(b))
        })
}

/// Makes sure that the template has its ReplicaSet, with the newest revision. Returns whether it had.
fn ensure_new(cx: &mut Context, deployment: &mut Deployment, replicas: i64) -> bool {
    let newest = deployment.old.iter().map(Set::revision).max().unwrap_or(0);
    let wanted = deployment.new.as_ref().map_or(newest + 1, |new| new.revision().max(newest + 1));
    let wanted = match &deployment.new {
        Some(new) if new.revision() > newest => new.revision(),
        _ => wanted,
    };
    if revision(&deployment.value) != wanted {
        let mut value = deployment.value.clone();
        set_annotation(&mut value, REVISION, &wanted.to_string());
        if !cx.update(&deployment.object, value) {
            return false;
        }
    }
    let Some(new) = &deployment.new else {
        create(cx, deployment, wanted, replicas);
        return false;
    };
    let mut value = new.value.clone();
    for (key, text) in inherited_annotations(&deployment.value) {
        set_annotation(&mut value, &key, text.as_str().unwrap_or_default());
    }
    set_annotation(&mut value, REVISION, &wanted.to_string());
    if value == new.value {
        return true;
    }
    cx.update(&new.object, value);
    false
}

fn create(cx: &mut Context, deployment: &Deployment, revision: i64, replicas: i64) {
    let (object, value) = (&deployment.object, &deployment.value);
    let (namespace, name) = (&object.key.namespace, &object.key.name);
    let mut template = value["spec"]["template"].clone();
    let free = (0..).map(|collisions| template::hash(&template, collisions));
    let hash = free.map(|hash| (format!("{name}-{hash}"), hash));
    let (set_name, hash) = hash
        .into_iter()
        .find(|(set, _)| cx.get("ReplicaSet", namespace, set).is_none())
        .expect("some name of endlessly many is free");
    set_label(&mut template, HASH, &hash);
    let mut set = new_object("ReplicaSet", namespace, &set_name);
    set["metadata"]["labels"] = template["metadata"]["labels"].clone();
    set["metadata"]["ownerReferences"] = controlled_by(object);
    set["metadata"]["annotations"] = Value::Object(inherited_annotations(value));
    set_annotation(&mut set, REVISION, &revision.to_string());
    set_annotation(&mut set, "deployment.kubernetes.io/desired-replicas", &deployment.desired().to_string());
    let most = deployment.desired() + rollout::limits(deployment).0;
    set_annotation(&mut set, "deployment.kubernetes.io/max-replicas", &most.to_string());
    let mut selector = value["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = json!(hash);
    set["spec"] = json!({"replicas": replicas, "selector": selector, "template": template});
    if let Some(seconds) = value["spec"]["minReadySeconds"].as_i64().filter(|seconds| *seconds > 0) {
        set["spec"]["minReadySeconds"] = json!(seconds);
    }
    set["status"] = json!({"replicas": 0});
    if cx.create("ReplicaSet", set).is_some() && replicas > 0 {
        say_scaled(cx, object, &set_name, "up", 0, replicas);
    }
}

/// Returns the Deployment's annotations that its newest ReplicaSet has too, such as the cause of a change.
fn inherited_annotations(value: &Value) -> Map<String, Value> {
    let mut annotations = value["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    annotations.remove(REVISION);
    annotations
}

fn scale(cx: &mut Context, deployment: &Deployment, set: &Set, replicas: i64) -> bool {
    let before = set.replicas();
    let most = deployment.desired() + rollout::limits(deployment).0;
    let scaled = replicaset::scale(cx, &set.object, replicas, deployment.desired(), most);
    if scaled && before != replicas {
        let way = if replicas > before { "up" } else { "down" };
        say_scaled(cx, &deployment.object, &set.object.key.name, way, before, replicas);
    }
    scaled && before != replicas
}

fn say_scaled(cx: &mut Context, about: &Object, set: &str, way: &str, from: i64, to: i64) {
    let message = format!("Scaled {way} replica set {set} from {from} to {to}");
    cx.event(about, Event::normal(COMPONENT, "ScalingReplicaSet", message));
}

/// Deletes ReplicaSets of the past beyond the history limit, once the rollout is complete.
fn forget_old(cx: &Context, deployment: &Deployment) {
    let limit = deployment.value["spec"]["revisionHistoryLimit"].as_i64().unwrap_or(10);
    let complete = deployment.new.as_ref().is_some_and(|new| new.count("availableReplicas") >= deployment.desired());
    if !complete {
        return;
    }
    let idle = |set: &&Set| set.replicas() == 0 && set.count("replicas") == 0;
    let idle: Vec<_> = deployment.old.iter().filter(idle).collect();
    let excess = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    idle.into_iter().take(excess).for_each(|set| cx.delete(&set.object));
}
