//! What the server itself writes into objects of some kinds on their way in.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{update::Part, write::is_empty};
use crate::rehearsal::{
    resource::{Resource, of},
    store::Store,
};

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Prepares a new object, before defaults.
pub(super) fn before_create(store: &Store, resource: &Resource, value: &mut Value) {
    if !has_map(value, "/spec") {
        return;
    }
    if resource.status {
        value["status"] = json!({});
    }
    match resource.kind {
        "Namespace" => {
            value["spec"]["finalizers"] = json!(["kubernetes"]);
            value["status"] = json!({"phase": "Active"});
        }
        "Pod" => pod(value),
        "Secret" => encode_string_data(value),
        "Service" => value["status"] = json!({"loadBalancer": {}}),
        "PersistentVolumeClaim" => claim(store, value),
        "PersistentVolume" => value["status"] = json!({"phase": "Pending"}),
        "Job" => job(value),
        _ => {}
    }
}

/// Prepares the next state of an object, before defaults.
pub(super) fn before_update(resource: &Resource, part: Part, before: &Value, after: &mut Value) {
    if !has_map(after, "/spec") {
        return;
    }
    match resource.kind {
        "Secret" => encode_string_data(after),
        "Namespace" if part != Part::Finalize => {
            after["spec"]["finalizers"] = before["spec"]["finalizers"].clone();
        }
        _ => {}
    }
}

/// Returns whether nothing keeps a deleted object any longer.
pub(super) fn is_gone(resource: &Resource, value: &Value) -> bool {
    let metadata = &value["metadata"];
    let kept = resource.kind == "Namespace" && !is_empty(&value["spec"]["finalizers"]);
    let grace = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    metadata["deletionTimestamp"].is_string() && is_empty(&metadata["finalizers"]) && grace == 0 && !kept
}

/// Returns whether the value at a pointer is a map or absent. Anything else is left for validation to refuse.
fn has_map(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).is_none_or(|value| value.is_object() || value.is_null())
}

fn encode_string_data(value: &mut Value) {
    let Some(Value::Object(plain)) = value.as_object_mut().and_then(|secret| secret.remove("stringData")) else {
        return;
    };
    if !has_map(value, "/data") {
        return;
    }
    for (key, text) in plain {
        // What is no text stays as it is, for validation to refuse.
        value["data"][key] = text.as_str().map_or(text.clone(), |text| json!(STANDARD.encode(text)));
    }
}

fn pod(value: &mut Value) {
    let class = qos_class(&value["spec"]);
    value["status"] = json!({"phase": "Pending", "qosClass": class});
}

/// Returns a pod's quality of service: Guaranteed when each container limits cpu and memory to what it requests.
fn qos_class(spec: &Value) -> &'static str {
    let lists = ["containers", "initContainers"].map(|list| spec[list].as_array().into_iter().flatten());
    let resources: Vec<&Value> = lists.into_iter().flatten().map(|container| &container["resources"]).collect();
    let set = |value: &Value| value.as_object().is_some_and(|quantities| !quantities.is_empty());
    if resources.iter().all(|resources| !set(&resources["limits"]) && !set(&resources["requests"])) {
        return "BestEffort";
    }
    let guaranteed = |resources: &&Value| {
        ["cpu", "memory"].iter().all(|name| {
            let limit = &resources["limits"][name];
            let request = &resources["requests"][name];
            !limit.is_null() && (request.is_null() || request == limit)
        })
    };
    if resources.iter().all(guaranteed) { "Guaranteed" } else { "Burstable" }
}

fn claim(store: &Store, value: &mut Value) {
    value["status"] = json!({"phase": "Pending"});
    if value["spec"].is_object() && value["spec"].get("storageClassName").is_none() {
        let (classes, _) = store.list(of("StorageClass"), None);
        let default = classes.iter().find(|class| class.value()["metadata"]["annotations"][DEFAULT_CLASS] == "true");
        if let Some(class) = default {
            value["spec"]["storageClassName"] = json!(class.key.name);
        }
    }
}

/// A job selects its pods by its own uid, unless it says how itself.
fn job(value: &mut Value) {
    let template = &value["spec"]["template"];
    let maps = has_map(template, "/metadata") && has_map(template, "/metadata/labels");
    if value["spec"]["manualSelector"] == true || !template.is_object() || !maps {
        return;
    }
    let uid = value["metadata"]["uid"].clone();
    let name = value["metadata"]["name"].clone();
    if value["spec"]["selector"].is_null() {
        value["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    }
    let labels = &mut value["spec"]["template"]["metadata"]["labels"];
    for (key, text) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        labels[key] = text.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_keep_their_texts_encoded() {
        let mut secret = json!({"data": {"a": "eA=="}, "stringData": {"b": "y", "a": "z"}});
        encode_string_data(&mut secret);
        assert_eq!(secret, json!({"data": {"a": "eg==", "b": "eQ=="}}));
    }

    #[test]
    fn what_has_a_wrong_shape_is_left_for_validation() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("log")).unwrap();
        for resource in crate::rehearsal::resource::RESOURCES {
            for wrong in [
                json!(1),
                json!("x"),
                json!([1]),
                json!({"template": 1, "ports": 1, "tolerations": 1}),
                json!({"template": {"metadata": 1}}),
                json!({"template": {"metadata": {"labels": 1}}, "containers": 1}),
            ] {
                let mut value =
                    json!({"metadata": {"name": "x"}, "spec": wrong, "data": wrong, "stringData": {"a": "b"}});
                before_create(&store, resource, &mut value);
                before_update(resource, Part::Main, &json!({"metadata": {}, "spec": {}}), &mut value);
            }
        }
    }

    #[test]
    fn pods_are_classed_by_their_requests() {
        let spec = |resources: Value| json!({"containers": [{"name": "c", "resources": resources}]});
        assert_eq!(qos_class(&spec(json!({}))), "BestEffort");
        assert_eq!(qos_class(&spec(json!({"requests": {"cpu": "1"}}))), "Burstable");
        assert_eq!(qos_class(&spec(json!({"limits": {"cpu": "1", "memory": "1Gi"}}))), "Guaranteed");
    }

    #[test]
    fn a_deleted_object_goes_when_nothing_keeps_it() {
        let gone = |metadata: Value| is_gone(of("Pod"), &json!({"metadata": metadata}));
        assert!(gone(json!({"deletionTimestamp": "x", "deletionGracePeriodSeconds": 0})));
        assert!(!gone(json!({"deletionTimestamp": "x", "deletionGracePeriodSeconds": 30})));
        assert!(!gone(json!({"deletionTimestamp": "x", "finalizers": ["a"]})));
        assert!(!gone(json!({})));
        let namespace = json!({"metadata": {"deletionTimestamp": "x"}, "spec": {"finalizers": ["kubernetes"]}});
        assert!(!is_gone(of("Namespace"), &namespace));
    }
}
