//! Services: Endpoints and EndpointSlices from the ready pods that they select.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    context::{Context, controlled_by, new_object},
    index::Pod,
    selector::is_subset,
};
use crate::rehearsal::store::Object;

/// Endpoints that one slice holds.
const SLICE: usize = 100;

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let service = cx.get("Service", namespace, name);
    let Some(service) = service.filter(|service| !service.deleting) else {
        // Endpoints have the Service's name instead of an owner.
        if let Some(endpoints) = cx.get("Endpoints", namespace, name) {
            cx.delete(&endpoints);
        }
        return;
    };
    let value = service.value();
    let selector = &value["spec"]["selector"];
    if selector.as_object().is_none_or(serde_json::Map::is_empty) || value["spec"]["type"] == "ExternalName" {
        return;
    }
    let unready = value["spec"]["publishNotReadyAddresses"] == true;
    let mut pods: Vec<_> = cx
        .index
        .pods_in(namespace)
        .filter(|pod| is_subset(selector, &pod.object.labels) && !pod.ip.is_empty() && !pod.ended())
        .cloned()
        .collect();
    pods.sort_by(|a, b| (a.ip.len(), &a.ip).cmp(&(b.ip.len(), &b.ip)));
    write_endpoints(cx, &service, &value, &pods, unready);
    write_slices(cx, &service, &value, &pods, unready);
}

fn target(pod: &Pod) -> Value {
    json!({"kind": "Pod", "name": pod.name(), "namespace": pod.namespace(), "uid": pod.object.uid})
}

/// Returns the ports as the pods have them: named target ports are looked up in the first pod.
fn ports(value: &Value, pods: &[Arc<Pod>]) -> Value {
    let ports = value["spec"]["ports"].as_array().into_iter().flatten();
    let resolved = ports.filter_map(|port| {
        let number = match &port["targetPort"] {
            Value::String(name) => named_port(pods.first()?, name)?,
            Value::Null => port["port"].as_i64()?,
            number => number.as_i64()?,
        };
        let mut resolved = json!({"port": number, "protocol": port["protocol"].as_str().unwrap_or("TCP")});
        if let Some(name) = port["name"].as_str() {
            resolved["name"] = json!(name);
        }
        Some(resolved)
    });
    resolved.collect()
}

fn named_port(pod: &Pod, name: &str) -> Option<i64> {
    let value = pod.object.value();
    let containers = value["spec"]["containers"].as_array()?.iter();
    let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    ports.find(|port| port["name"] == name)?["containerPort"].as_i64()
}

fn labels(value: &Value) -> Value {
    let mut labels = value["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    if value["spec"]["clusterIP"] == "None" {
        labels.insert("service.kubernetes.io/headless".into(), json!(""));
    }
    Value::Object(labels)
}

fn write_endpoints(cx: &mut Context, service: &Object, value: &Value, pods: &[Arc<Pod>], unready: bool) {
    let mut endpoints = new_object("Endpoints", &service.key.namespace, &service.key.name);
    let labels = labels(value);
    if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        endpoints["metadata"]["labels"] = labels;
    }
    let address = |pod: &Arc<Pod>| {
        let mut address = json!({"ip": pod.ip, "nodeName": pod.node, "targetRef": target(pod)});
        if let Some(hostname) = hostname(pod, service) {
            address["hostname"] = hostname;
        }
        address
    };
    let alive = || pods.iter().filter(|pod| !pod.object.deleting);
    let ready: Vec<_> = alive().filter(|pod| pod.ready || unready).map(address).collect();
    let waiting: Vec<_> = alive().filter(|pod| !pod.ready && !unready).map(address).collect();
    let mut subset = json!({});
    for (key, list) in [("addresses", ready), ("notReadyAddresses", waiting)] {
        if !list.is_empty() {
            subset[key] = Value::Array(list);
        }
    }
    if subset.as_object().is_some_and(|subset| !subset.is_empty()) {
        subset["ports"] = ports(value, pods);
        endpoints["subsets"] = json!([subset]);
    }
    put(cx, "Endpoints", endpoints, &["subsets"]);
}

fn hostname(pod: &Pod, service: &Object) -> Option<Value> {
    let value = pod.object.value();
    (value["spec"]["subdomain"] == service.key.name.as_str()).then(|| value["spec"]["hostname"].clone())
}

fn write_slices(cx: &mut Context, service: &Object, value: &Value, pods: &[Arc<Pod>], unready: bool) {
    let ports = ports(value, pods);
    let chunks: Vec<_> = if pods.is_empty() { vec![pods] } else { pods.chunks(SLICE).collect() };
    let name = |place: usize| {
        let hash = super::template::hash(&json!([service.uid, place]), 0);
        format!("{}-{}", service.key.name, &hash[..5])
    };
    for (place, pods) in chunks.iter().enumerate() {
        let mut slice = new_object("EndpointSlice", &service.key.namespace, &name(place));
        slice["metadata"]["generateName"] = json!(format!("{}-", service.key.name));
        slice["metadata"]["labels"] = labels(value);
        slice["metadata"]["labels"]["kubernetes.io/service-name"] = json!(service.key.name);
        slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] =
            json!("endpointslice-controller.k8s.io");
        slice["metadata"]["ownerReferences"] = controlled_by(service);
        slice["addressType"] = json!("IPv4");
        slice["endpoints"] = pods.iter().map(|pod| endpoint(pod, service, unready)).collect();
        slice["ports"] = ports.clone();
        put(cx, "EndpointSlice", slice, &["endpoints", "ports"]);
    }
    let kept: Vec<_> = (0..chunks.len()).map(name).collect();
    for slice in cx.dependents(&service.uid, "EndpointSlice") {
        if !kept.contains(&slice.key.name) {
            cx.delete(&slice);
        }
    }
}

fn endpoint(pod: &Arc<Pod>, service: &Object, unready: bool) -> Value {
    let ending = pod.object.deleting;
    let mut endpoint = json!({
        "addresses": [pod.ip],
        "conditions": {"ready": (pod.ready && !ending) || unready, "serving": pod.ready || unready, "terminating": ending},
        "nodeName": pod.node,
        "targetRef": target(pod),
    });
    if let Some(hostname) = hostname(pod, service) {
        endpoint["hostname"] = hostname;
    }
    endpoint
}

/// Makes the object, or brings the named parts of the one that is there up to date.
pub fn put(cx: &mut Context, kind: &str, wanted: Value, parts: &[&str]) {
    let text = |key: &str| wanted["metadata"][key].as_str().unwrap_or_default().to_owned();
    let Some(object) = cx.get(kind, &text("namespace"), &text("name")) else {
        cx.create(kind, wanted);
        return;
    };
    let mut value = object.value();
    for part in parts {
        value[*part] = wanted[*part].clone();
        if value[*part].is_null() {
            value.as_object_mut().map(|value| value.remove(*part));
        }
    }
    if !wanted["metadata"]["labels"].is_null() {
        value["metadata"]["labels"] = wanted["metadata"]["labels"].clone();
    }
    cx.update(&object, value);
}
