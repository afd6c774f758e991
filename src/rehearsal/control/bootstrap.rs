//! What a cluster holds from its first server on: system namespaces, the API's own Service, the packaged add-ons.

use serde_json::{Value, json};

use super::{
    addons,
    context::{Context, new_object},
    queue::Controller,
};
use crate::rehearsal::admission::SYSTEM_CLASSES;

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

pub fn reconcile(cx: &mut Context) {
    if !cx.world.has_server() {
        return;
    }
    let missing: Vec<_> = NAMESPACES.iter().filter(|name| cx.get("Namespace", "", name).is_none()).collect();
    for name in &missing {
        let mut namespace = new_object("Namespace", "", name);
        namespace["metadata"]["labels"] = json!({"kubernetes.io/metadata.name": name});
        namespace["spec"] = json!({"finalizers": ["kubernetes"]});
        namespace["status"] = json!({"phase": "Active"});
        cx.create("Namespace", namespace);
    }
    if !missing.is_empty() {
        // The namespaces must have been seen before anything can be put into them.
        return cx.add(Controller::Bootstrap, "", "");
    }
    if cx.get("Service", "default", "kubernetes").is_none() {
        api_service(cx);
    }
    api_endpoints(cx);
    for (name, value) in SYSTEM_CLASSES {
        if cx.get("PriorityClass", "", name).is_none() {
            let mut class = new_object("PriorityClass", "", name);
            class["value"] = json!(value);
            class["preemptionPolicy"] = json!("PreemptLowerPriority");
            cx.create("PriorityClass", class);
        }
    }
    if cx.kubelet.first("bootstrap", "addons") {
        addons::install(cx);
    }
    for node in cx.world.nodes.keys().cloned().collect::<Vec<_>>() {
        if cx.get("Node", "", &node).is_some() && cx.get("Lease", "kube-node-lease", &node).is_none() {
            cx.add(Controller::Node, "", &node);
        }
    }
}

fn api_service(cx: &mut Context) {
    let mut service = new_object("Service", "default", "kubernetes");
    service["metadata"]["labels"] = json!({"component": "apiserver", "provider": "kubernetes"});
    service["spec"] =
        cluster_ip("10.43.0.1", json!([{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]));
    service["status"] = json!({"loadBalancer": {}});
    cx.create("Service", service);
}

/// Returns the spec of a Service with a fixed address inside the cluster.
pub fn cluster_ip(address: &str, ports: Value) -> Value {
    json!({
        "clusterIP": address,
        "clusterIPs": [address],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": ports,
        "sessionAffinity": "None",
        "type": "ClusterIP",
    })
}

/// The API's Service selects no pods: its endpoints are the servers.
fn api_endpoints(cx: &mut Context) {
    let servers = cx.world.nodes.values().filter(|node| node.role == crate::model::Role::Server && node.running);
    let addresses: Vec<_> = servers.map(|node| node.address.clone()).collect();
    let ports = json!([{"name": "https", "port": 6443, "protocol": "TCP"}]);
    let mut slice = new_object("EndpointSlice", "default", "kubernetes");
    slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": "kubernetes"});
    slice["addressType"] = json!("IPv4");
    slice["endpoints"] =
        addresses.iter().map(|address| json!({"addresses": [address], "conditions": {"ready": true}})).collect();
    slice["ports"] = ports.clone();
    let mut endpoints = new_object("Endpoints", "default", "kubernetes");
    let list: Vec<_> = addresses.iter().map(|address| json!({"ip": address})).collect();
    endpoints["subsets"] = json!([{"addresses": list, "ports": ports}]);
    super::endpoints::put(cx, "EndpointSlice", slice, &["endpoints", "ports"]);
    super::endpoints::put(cx, "Endpoints", endpoints, &["subsets"]);
}
