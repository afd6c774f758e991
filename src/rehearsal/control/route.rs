//! Which work a change makes.

use std::{collections::BTreeSet, time::Duration};

use super::{
    context::Context,
    queue::{Controller, Work},
    world::State,
};
use crate::rehearsal::store::{Change, ChangeKind, Object};

/// Work that sums up many objects waits this long, so that one look does for many changes.
const COALESCE: Duration = Duration::from_millis(15);

/// Queues what a changed object concerns.
pub fn changed(cx: &mut Context, change: &Change) {
    let object = &change.object;
    let (namespace, name) = (object.key.namespace.as_str(), object.key.name.as_str());
    let kind = object.key.resource.kind;
    if let Some(controller) = own_controller(kind) {
        cx.add(controller, namespace, name);
    }
    if kind == "Event" || kind == "Lease" {
        return;
    }
    ownership(cx, change);
    match kind {
        "Pod" => pod(cx, change),
        "Node" => {
            cx.add(Controller::Scheduler, "", "");
            for set in cx.list("DaemonSet", None) {
                cx.after(Controller::DaemonSet, &set.key.namespace, &set.key.name, COALESCE);
            }
        }
        "PersistentVolumeClaim" => {
            cx.add(Controller::Scheduler, "", "");
            unblock(cx, namespace);
        }
        "PersistentVolume" | "StorageClass" => claims(cx),
        "ConfigMap" | "Secret" => {
            unblock(cx, namespace);
            if name == "kube-root-ca.crt" {
                cx.add(Controller::Namespace, "", namespace);
            }
        }
        "ServiceAccount" if change.kind == ChangeKind::Deleted => cx.add(Controller::Namespace, "", namespace),
        "Namespace" if change.kind == ChangeKind::Deleted => cx.add(Controller::Bootstrap, "", ""),
        _ => {}
    }
    if !cx.index.accepts(namespace) {
        cx.after(Controller::Namespace, "", namespace, Duration::ZERO);
    }
}

/// Returns the controller that looks after objects of a kind.
pub fn own_controller(kind: &str) -> Option<Controller> {
    Some(match kind {
        "CronJob" => Controller::CronJob,
        "DaemonSet" => Controller::DaemonSet,
        "Deployment" => Controller::Deployment,
        "HorizontalPodAutoscaler" => Controller::Hpa,
        "Job" => Controller::Job,
        "Namespace" => Controller::Namespace,
        "Node" => Controller::Node,
        "PersistentVolume" => Controller::Volume,
        "PersistentVolumeClaim" => Controller::Claim,
        "PodDisruptionBudget" => Controller::Budget,
        "Pod" => Controller::Kubelet,
        "ReplicaSet" => Controller::ReplicaSet,
        "Service" => Controller::Endpoints,
        "StatefulSet" => Controller::StatefulSet,
        _ => return None,
    })
}

fn ownership(cx: &mut Context, change: &Change) {
    let object = &change.object;
    if let Some(owner) = object.controller()
        && let Some(controller) = own_controller(&owner.kind)
    {
        let name = owner.name.clone();
        cx.add(controller, &object.key.namespace, &name);
    }
    if change.kind == ChangeKind::Deleted {
        let dependents: Vec<_> = cx.index.dependents(&object.uid).cloned().collect();
        for (kind, namespace, name) in dependents {
            garbage(cx, kind, &namespace, &name);
        }
        for owner in &object.owners {
            garbage(cx, &owner.kind, &object.key.namespace, &owner.name);
        }
    } else if !object.owners.is_empty() || object.deleting {
        garbage(cx, object.key.resource.kind, &object.key.namespace, &object.key.name);
    }
}

fn garbage(cx: &mut Context, kind: &str, namespace: &str, name: &str) {
    cx.add(Controller::Garbage, namespace, &format!("{kind}/{name}"));
}

fn pod(cx: &mut Context, change: &Change) {
    let object: &Object = &change.object;
    let namespace = object.key.namespace.clone();
    let unscheduled = cx.index.get(&namespace, &object.key.name).is_some_and(|pod| pod.node.is_empty());
    if unscheduled || change.kind == ChangeKind::Deleted {
        cx.add(Controller::Scheduler, "", "");
    }
    for service in cx.index.services_for(object) {
        cx.after(Controller::Endpoints, &namespace, &service, COALESCE);
    }
    for budget in cx.index.budgets_for(object) {
        cx.after(Controller::Budget, &namespace, &budget, COALESCE);
    }
}

fn claims(cx: &mut Context) {
    for claim in cx.list("PersistentVolumeClaim", None) {
        cx.add(Controller::Claim, &claim.key.namespace, &claim.key.name);
    }
}

fn unblock(cx: &mut Context, namespace: &str) {
    let blocked = cx.index.pods_in(namespace).filter(|pod| pod.blocked);
    let work: Vec<_> = blocked.map(|pod| Work::new(Controller::Kubelet, namespace, pod.name())).collect();
    for work in work {
        cx.queue.add(work);
    }
}

/// Takes in the new state of the world and queues what depends on the difference.
pub fn world_changed(cx: &mut Context, now: State) {
    let before = std::mem::replace(&mut cx.world, now);
    let now = &cx.world;
    let same_rules = before.faults == now.faults && before.pace == now.pace && before.disabled == now.disabled;
    if !same_rules || before.has_server() != now.has_server() {
        return whole_world(cx);
    }
    cx.add(Controller::Bootstrap, "", "");
    cx.add(Controller::Scheduler, "", "");
    let names: BTreeSet<_> = before.nodes.keys().chain(cx.world.nodes.keys()).cloned().collect();
    for node in names {
        if before.nodes.get(&node) == cx.world.nodes.get(&node) {
            continue;
        }
        cx.add(Controller::Node, "", &node);
        for (namespace, name) in cx.index.on_node(&node).names {
            cx.add(Controller::Kubelet, &namespace, &name);
        }
    }
}

/// Queues everything that depends on the world: every node, every pod that may now heal or fail.
pub fn whole_world(cx: &mut Context) {
    cx.add(Controller::Bootstrap, "", "");
    cx.add(Controller::Scheduler, "", "");
    let nodes: Vec<_> = cx.world.nodes.keys().cloned().collect();
    for node in nodes.into_iter().chain(cx.list("Node", None).into_iter().map(|node| node.key.name.clone())) {
        cx.add(Controller::Node, "", &node);
    }
    let pods: Vec<_> =
        cx.index.all_pods().map(|pod| Work::new(Controller::Kubelet, pod.namespace(), pod.name())).collect();
    for work in pods {
        cx.queue.add(work);
    }
}
