//! Persistent volumes: made-before volumes bind by class, size and access; the default class makes them on demand.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    context::{Context, new_object},
    events::Event,
    quantity,
    queue::Controller,
    scheduler::SELECTED_NODE,
    template::set_annotation,
};
use crate::rehearsal::store::Object;

/// The provisioner that K3s ships.
pub const PROVISIONER: &str = "rancher.io/local-path";
const COMPONENT: &str = "persistentvolume-controller";
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Returns the claim's storage class; the default one when it names none, `None` when there is no such class.
pub fn class_of(cx: &Context, claim: &Value) -> Option<Value> {
    if let Some(name) = claim["spec"]["storageClassName"].as_str() {
        cx.get("StorageClass", "", name).map(|class| class.value())
    } else {
        let classes = cx.list("StorageClass", None);
        classes
            .iter()
            .map(|class| class.value())
            .find(|class| class["metadata"]["annotations"][DEFAULT_CLASS] == "true")
    }
}

/// Returns whether volumes of the class are bound only when a pod needs them.
pub fn waits_for_consumer(class: &Value) -> bool {
    class["volumeBindingMode"] == "WaitForFirstConsumer"
}

/// Returns the smallest free volume that suits the claim, or the one that is reserved for it.
pub fn find(cx: &Context, claim: &Value) -> Option<Arc<Object>> {
    let volumes = cx.list("PersistentVolume", None).into_iter().map(|volume| (volume.value(), volume));
    let suitable = volumes.filter(|(volume, object)| !object.deleting && suits(volume, claim));
    suitable
        .min_by_key(|(volume, _)| (volume["spec"]["claimRef"].is_null(), capacity(volume)))
        .map(|(_, object)| object)
}

fn suits(volume: &Value, claim: &Value) -> bool {
    let (spec, wanted) = (&volume["spec"], &claim["spec"]);
    let reserved = &spec["claimRef"];
    let mine = ["name", "namespace"].iter().all(|key| reserved[key] == claim["metadata"][key])
        && (reserved["uid"].is_null() || reserved["uid"] == claim["metadata"]["uid"]);
    if !reserved.is_null() {
        return mine;
    }
    let named = wanted["volumeName"].is_null() || wanted["volumeName"] == volume["metadata"]["name"];
    let class = |spec: &Value| spec["storageClassName"].as_str().unwrap_or_default().to_owned();
    let modes = |spec: &Value| spec["accessModes"].as_array().cloned().unwrap_or_default();
    let labels = volume["metadata"]["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, text)| (key.clone(), text.as_str().unwrap_or_default().to_owned())).collect();
    named
        && volume["status"]["phase"] != "Released"
        && class(spec) == class(wanted)
        && modes(wanted).iter().all(|mode| modes(spec).contains(mode))
        && capacity(volume) >= asked(claim)
        && (wanted["selector"].is_null() || super::selector::matches(&wanted["selector"], &labels))
}

fn capacity(volume: &Value) -> i64 {
    quantity::units(volume["spec"]["capacity"]["storage"].as_str().unwrap_or("0"))
}

fn asked(claim: &Value) -> i64 {
    quantity::units(claim["spec"]["resources"]["requests"]["storage"].as_str().unwrap_or("0"))
}

pub fn reconcile_claim(cx: &mut Context, namespace: &str, name: &str) {
    let Some(claim) = cx.get("PersistentVolumeClaim", namespace, name) else { return release(cx, namespace, name) };
    if claim.deleting {
        return end_claim(cx, &claim);
    }
    let value = claim.value();
    if value["status"]["phase"] == "Bound" {
        return keep_bound(cx, &claim, value);
    }
    if let Some(fresh) = prepare(cx, &claim, &value) {
        cx.update(&claim, fresh);
        return;
    }
    let class = class_of(cx, &value);
    let selected = value["metadata"]["annotations"][SELECTED_NODE].as_str().map(str::to_owned);
    let waits = class.as_ref().is_some_and(waits_for_consumer) && value["spec"]["volumeName"].is_null();
    if waits && selected.is_none() {
        let message = "waiting for first consumer to be created before binding";
        return pending(cx, &claim, Event::normal(COMPONENT, "WaitForFirstConsumer", message));
    }
    if let Some(volume) = find(cx, &value) {
        return bind(cx, &claim, &volume);
    }
    match class {
        Some(class) if class["provisioner"] == PROVISIONER && value["spec"]["volumeName"].is_null() => {
            provision(cx, &claim, &value, &class, selected);
        }
        None if value["spec"]["storageClassName"].as_str().is_some_and(|name| !name.is_empty()) => {
            let class = value["spec"]["storageClassName"].as_str().unwrap_or_default();
            let message = format!("storageclass.storage.k8s.io \"{class}\" not found");
            pending(cx, &claim, Event::warning(COMPONENT, "ProvisioningFailed", message));
        }
        _ => {
            let message = "no persistent volumes available for this claim and no storage class is set";
            pending(cx, &claim, Event::normal(COMPONENT, "FailedBinding", message));
        }
    }
}

/// Fills in what admission adds to a claim; `None` when all is there.
fn prepare(cx: &Context, claim: &Object, value: &Value) -> Option<Value> {
    let mut fresh = value.clone();
    if fresh["spec"]["storageClassName"].is_null()
        && let Some(class) = class_of(cx, value)
    {
        fresh["spec"]["storageClassName"] = class["metadata"]["name"].clone();
    }
    if fresh["spec"]["volumeMode"].is_null() {
        fresh["spec"]["volumeMode"] = json!("Filesystem");
    }
    protect(&mut fresh, CLAIM_PROTECTION);
    if fresh["status"]["phase"].is_null() {
        fresh["status"]["phase"] = json!("Pending");
    }
    (fresh != claim.value()).then_some(fresh)
}

fn protect(value: &mut Value, finalizer: &str) {
    let mut finalizers = value["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|one| one == finalizer) {
        finalizers.push(json!(finalizer));
        value["metadata"]["finalizers"] = Value::Array(finalizers);
    }
}

fn pending(cx: &mut Context, claim: &Object, event: Event<'_>) {
    if cx.kubelet.first(&claim.uid, event.reason) {
        cx.event(claim, event);
    }
}

fn provision(cx: &mut Context, claim: &Object, value: &Value, class: &Value, node: Option<String>) {
    let node = match node {
        Some(node) => node,
        None => match cx.list("Node", None).first() {
            Some(node) => node.key.name.clone(),
            None => return,
        },
    };
    let name = format!("pvc-{}", claim.uid);
    let path = format!("/var/lib/rancher/k3s/storage/{name}_{}_{}", claim.key.namespace, claim.key.name);
    let mut volume = new_object("PersistentVolume", "", &name);
    volume["metadata"]["annotations"] =
        json!({"local.path.provisioner/selected-node": node, "pv.kubernetes.io/provisioned-by": PROVISIONER});
    volume["metadata"]["finalizers"] = json!([VOLUME_PROTECTION]);
    volume["spec"] = json!({
        "accessModes": value["spec"]["accessModes"],
        "capacity": {"storage": value["spec"]["resources"]["requests"]["storage"]},
        "claimRef": claim_reference(claim),
        "hostPath": {"path": path, "type": "DirectoryOrCreate"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]},
        ]}},
        "persistentVolumeReclaimPolicy": class["reclaimPolicy"].as_str().unwrap_or("Delete"),
        "storageClassName": class["metadata"]["name"],
        "volumeMode": value["spec"]["volumeMode"].as_str().unwrap_or("Filesystem"),
    });
    volume["status"] = json!({"phase": "Bound"});
    let provisioner = format!("{PROVISIONER}_local-path-provisioner");
    let (namespace, claimed) = (&claim.key.namespace, &claim.key.name);
    let message = format!("External provisioner is provisioning volume for claim \"{namespace}/{claimed}\"");
    cx.event(claim, Event::normal(&provisioner, "Provisioning", message));
    let created = cx.create_sparse("PersistentVolume", volume).or_else(|| cx.get("PersistentVolume", "", &name));
    if let Some(volume) = created {
        let message = format!("Successfully provisioned volume {name}");
        cx.event(claim, Event::normal(&provisioner, "ProvisioningSucceeded", message));
        bind(cx, claim, &volume);
    }
}

fn claim_reference(claim: &Object) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": claim.key.name,
        "namespace": claim.key.namespace,
        "uid": claim.uid,
        "resourceVersion": claim.version.to_string(),
    })
}

fn bind(cx: &Context, claim: &Object, volume: &Object) {
    let mut bound = volume.value();
    if bound["spec"]["claimRef"]["uid"].is_null() {
        bound["spec"]["claimRef"] = claim_reference(claim);
    }
    bound["status"]["phase"] = json!("Bound");
    protect(&mut bound, VOLUME_PROTECTION);
    let status = json!({
        "phase": "Bound",
        "accessModes": bound["spec"]["accessModes"],
        "capacity": bound["spec"]["capacity"],
    });
    if !cx.update(volume, bound) {
        return;
    }
    let mut value = claim.value();
    value["spec"]["volumeName"] = json!(volume.key.name);
    value["status"] = status;
    set_annotation(&mut value, "pv.kubernetes.io/bind-completed", "yes");
    if value["metadata"]["annotations"][SELECTED_NODE].is_string() {
        set_annotation(&mut value, "pv.kubernetes.io/bound-by-controller", "yes");
        for key in ["volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"] {
            set_annotation(&mut value, key, PROVISIONER);
        }
    }
    cx.update(claim, value);
}

/// A bound claim grows when it asks for more and its class allows it; without its volume it is lost.
fn keep_bound(cx: &mut Context, claim: &Object, mut value: Value) {
    let name = value["spec"]["volumeName"].as_str().unwrap_or_default();
    let Some(volume) = cx.get("PersistentVolume", "", name) else {
        value["status"]["phase"] = json!("Lost");
        let message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!";
        cx.event(claim, Event::warning(COMPONENT, "ClaimLost", message));
        cx.update(claim, value);
        return;
    };
    let capacity = volume.value()["spec"]["capacity"].take();
    if value["status"]["capacity"] != capacity {
        value["status"]["capacity"] = capacity;
        cx.update(claim, value);
    }
}

/// A claim that pods still use stays until they are gone.
fn end_claim(cx: &mut Context, claim: &Object) {
    let (namespace, name) = (&claim.key.namespace, &claim.key.name);
    let used = cx.index.pods_in(namespace).filter(|pod| !pod.ended()).any(|pod| {
        let value = pod.object.value();
        let volumes = value["spec"]["volumes"].as_array().into_iter().flatten();
        volumes.into_iter().any(|volume| volume["persistentVolumeClaim"]["claimName"] == name.as_str())
    });
    if used {
        let pace = cx.world.pace.ready;
        cx.after(Controller::Claim, namespace, name, pace);
    } else {
        cx.drop_finalizer(claim, CLAIM_PROTECTION);
    }
}

/// The claim is gone: its volumes go too, or are kept for people to look at.
fn release(cx: &mut Context, namespace: &str, name: &str) {
    for volume in cx.list("PersistentVolume", None) {
        let reference = &volume.value()["spec"]["claimRef"];
        if reference["namespace"] == namespace && reference["name"] == name {
            cx.add(Controller::Volume, "", &volume.key.name);
        }
    }
}

pub fn reconcile_volume(cx: &mut Context, name: &str) {
    let Some(volume) = cx.get("PersistentVolume", "", name) else { return };
    let mut value = volume.value();
    let reference = &value["spec"]["claimRef"];
    let text = |key: &str| reference[key].as_str().unwrap_or_default().to_owned();
    let claim = cx.get("PersistentVolumeClaim", &text("namespace"), &text("name"));
    let bound = claim.is_some_and(|claim| reference["uid"].is_null() || claim.uid == text("uid"));
    if volume.deleting && !bound {
        return cx.drop_finalizer(&volume, VOLUME_PROTECTION);
    }
    let phase = match (reference.is_null(), bound) {
        (false, true) => value["status"]["phase"].as_str().unwrap_or("Available").to_owned(),
        (false, false) if reference["uid"].is_string() => "Released".into(),
        _ => "Available".into(),
    };
    if phase == "Released" && value["spec"]["persistentVolumeReclaimPolicy"] == "Delete" {
        cx.drop_finalizer(&volume, VOLUME_PROTECTION);
        if let Some(volume) = cx.get("PersistentVolume", "", name) {
            cx.delete(&volume);
        }
        return;
    }
    protect(&mut value, VOLUME_PROTECTION);
    value["status"]["phase"] = json!(phase);
    cx.update(&volume, value);
}
