//! Namespaces: what every one holds from the start, and how one ends.

use serde_json::{Value, json};

use super::{
    condition::{self, Condition},
    context::{Context, new_object},
};
use crate::rehearsal::{resource::RESOURCES, store::Object};

pub fn reconcile(cx: &mut Context, name: &str) {
    let Some(namespace) = cx.get("Namespace", "", name) else { return };
    if namespace.deleting {
        return end(cx, &namespace);
    }
    activate(cx, &namespace);
    if cx.get("ServiceAccount", name, "default").is_none() {
        cx.create("ServiceAccount", new_object("ServiceAccount", name, "default"));
    }
    if cx.get("ConfigMap", name, "kube-root-ca.crt").is_none() {
        root_certificate(cx, name);
    }
}

fn activate(cx: &Context, namespace: &Object) {
    let mut value = namespace.value();
    if value["spec"]["finalizers"].is_null() {
        value["spec"] = json!({"finalizers": ["kubernetes"]});
    }
    value["status"]["phase"] = json!("Active");
    cx.update(namespace, value);
}

fn root_certificate(cx: &mut Context, namespace: &str) {
    let mut value = new_object("ConfigMap", namespace, "kube-root-ca.crt");
    value["metadata"]["annotations"] = json!({
        "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using \
            internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed \
            across distributions of Kubernetes clusters."
    });
    value["data"] = json!({"ca.crt": cx.world.ca});
    cx.create("ConfigMap", value);
}

/// Deletes what is in the namespace, and the namespace when nothing is left.
fn end(cx: &mut Context, namespace: &Object) {
    let name = &namespace.key.name;
    let mut left = Vec::new();
    for resource in RESOURCES.iter().filter(|resource| resource.namespaced) {
        for object in cx.store.list(resource, Some(name)).0 {
            if !object.deleting {
                cx.delete(&object);
            }
        }
        let remaining = cx.store.list(resource, Some(name)).0.len();
        if remaining > 0 {
            left.push(format!("{} has {remaining} resource instances", resource.qualified()));
        }
    }
    let mut value = namespace.value();
    if !left.is_empty() {
        content_remains(&mut value["status"], &left.join(", "));
        cx.update(namespace, value);
        return;
    }
    if value["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty) {
        let _ = cx.store.remove(namespace);
    } else {
        value["spec"]["finalizers"] = Value::Array(Vec::new());
        cx.update(namespace, value);
    }
}

fn content_remains(status: &mut Value, left: &str) {
    status["phase"] = json!("Terminating");
    let message = format!("Some resources are remaining: {left}");
    condition::set(
        status,
        Condition {
            kind: "NamespaceContentRemaining",
            status: "True",
            reason: "SomeResourcesRemain",
            message: &message,
        },
    );
}
