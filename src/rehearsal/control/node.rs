//! Nodes: registered when their machine joins, ready when their kubelet posts, unknown when it stops.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    condition::{self, Condition},
    context::{Context, new_object},
    events::Event,
    queue::Controller,
    world::Node,
};
use crate::{
    model::{Role, hex::hex},
    rehearsal::store::Object,
};

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const NO_NETWORK: &str = "container runtime network not ready: NetworkReady=false";

pub fn reconcile(cx: &mut Context, name: &str) {
    let machine = cx.world.nodes.get(name).cloned();
    let running = machine.as_ref().is_some_and(|machine| machine.running);
    if !running {
        cx.kubelet.ready.remove(name);
        cx.kubelet.registered.remove(name);
    }
    match (cx.get("Node", "", name), machine) {
        (None, Some(machine)) if running => register(cx, &machine),
        (None, _) => drop_pods(cx, name),
        (Some(node), Some(machine)) if running => run(cx, &node, &machine),
        (Some(node), _) => lose(cx, &node),
    }
}

/// A kubelet registers once after it starts: a deleted Node comes back when the machine's K3s is started again.
fn register(cx: &mut Context, machine: &Node) {
    drop_pods(cx, &machine.name);
    if cx.kubelet.registered.insert(machine.name.clone(), start(machine)).is_some_and(|last| last == start(machine)) {
        return;
    }
    let mut node = new_object("Node", "", &machine.name);
    let cidr = free_cidr(cx);
    node["metadata"]["labels"] = machine.kubelet.as_ref().map_or_else(|| labels(machine), |own| json!(own.labels));
    node["metadata"]["annotations"] = json!({
        "alpha.kubernetes.io/provided-node-ip": machine.address,
        "k3s.io/hostname": machine.name,
        "k3s.io/internal-ip": machine.address,
        "k3s.io/node-args": json!([machine.role.name()]).to_string(),
        "node.alpha.kubernetes.io/ttl": "0",
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
        "orchestrator.dev/rehearsal": "a simulated node: no container runs",
    });
    node["spec"] = json!({
        "podCIDR": cidr,
        "podCIDRs": [cidr],
        "providerID": format!("k3s://{}", machine.name),
        "taints": [{"key": NOT_READY, "effect": "NoSchedule"}],
    });
    if let Some(own) = &machine.kubelet {
        node["metadata"]["annotations"] = json!(own.annotations);
        node["spec"]["taints"].as_array_mut().into_iter().for_each(|taints| taints.extend(own.taints.clone()));
    }
    node["status"] = status(machine);
    post(&mut node["status"], Err(NO_NETWORK));
    let Some(node) = cx.create("Node", node) else { return };
    let host = machine.name.as_str();
    let say = |reason, message: String| Event { host, ..Event::normal("kubelet", reason, message) };
    cx.event(&node, say("Starting", "Starting kubelet.".into()));
    for reason in ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"] {
        cx.event(&node, say(reason, format!("Node {host} status is now: {reason}")));
    }
    cx.event(&node, say("NodeAllocatableEnforced", "Updated Node Allocatable limit across pods".into()));
    let registered = format!("Node {host} event: Registered Node {host} in Controller");
    cx.event(&node, Event::normal("node-controller", "RegisteredNode", registered));
    lease(cx, &node);
}

/// Which start of its kubelet this is; `None` where it has not been heard of.
fn start(machine: &Node) -> Option<String> {
    machine.kubelet.as_ref().map_or(Some(String::new()), |own| own.start.clone())
}

fn free_cidr(cx: &Context) -> String {
    #[derive(Deserialize)]
    struct Node {
        spec: Spec,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Spec {
        #[serde(rename = "podCIDR")]
        pod_cidr: String,
    }
    let used: HashSet<_> = cx.list("Node", None).iter().map(|node| node.decode::<Node>().spec.pod_cidr).collect();
    let cidr = |n: usize| format!("10.{}.{}.0/24", 42 + n / 256, n % 256);
    (0..214 * 256).map(cidr).find(|cidr| !used.contains(cidr)).unwrap_or_default()
}

fn labels(machine: &Node) -> Value {
    let mut labels = json!({
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/instance-type": "k3s",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": machine.name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "k3s",
        "orchestrator.dev/rehearsal": "true",
    });
    if machine.role == Role::Server {
        labels["node-role.kubernetes.io/control-plane"] = json!("true");
        labels["node-role.kubernetes.io/master"] = json!("true");
    }
    labels
}

fn status(machine: &Node) -> Value {
    let size = json!({
        "cpu": machine.cpus.to_string(),
        "ephemeral-storage": "20145724Ki",
        "hugepages-2Mi": "0",
        "memory": format!("{}Ki", machine.memory / 1024),
        "pods": "110",
    });
    let mut status = json!({
        "addresses": [
            {"type": "InternalIP", "address": machine.address},
            {"type": "Hostname", "address": machine.name},
        ],
        "allocatable": size,
        "capacity": size,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": info(machine),
    });
    if let Some(own) = &machine.kubelet {
        status["addresses"] = json!(own.addresses);
        status["nodeInfo"] = json!(own.info);
    }
    status
}

fn info(machine: &Node) -> Value {
    let id = |salt: &str| hex(super::template::hash(&json!([machine.name, salt]), 0));
    json!({
        "architecture": "amd64",
        "bootID": id("boot"),
        "containerRuntimeVersion": "containerd://2.1.4-k3s1",
        "kernelVersion": "6.1.0-rehearsal",
        "kubeProxyVersion": machine.version,
        "kubeletVersion": machine.version,
        "machineID": id("machine"),
        "operatingSystem": "linux",
        "osImage": "rehearsal (no container runs)",
        "systemUUID": id("system"),
    })
}

/// Writes the conditions that a kubelet posts.
fn post(status: &mut Value, ready: Result<(), &str>) {
    let fine = [
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ];
    let (reason, message) = match ready {
        Ok(()) => ("KubeletReady", "kubelet is posting ready status"),
        Err(why) => ("KubeletNotReady", why),
    };
    let ready = ("Ready", condition::word(ready.is_ok()), reason, message);
    let all = fine.map(|(kind, reason, message)| (kind, "False", reason, message)).into_iter().chain([ready]);
    for (kind, status_word, reason, message) in all {
        let entry = condition::set(status, Condition { kind, status: status_word, reason, message });
        if entry["lastHeartbeatTime"].is_null() {
            entry["lastHeartbeatTime"] = json!(condition::now());
        }
    }
}

/// A kubelet that has just started says anew how it is.
fn forget_heartbeats(node: &mut Value) {
    for condition in node["status"]["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastHeartbeatTime"] = Value::Null;
    }
}

/// The machine runs: facts are kept fresh, and the node becomes ready a moment after it came.
fn run(cx: &mut Context, node: &Object, machine: &Node) {
    let start = start(machine);
    let last = cx.kubelet.registered.insert(machine.name.clone(), start.clone()).flatten();
    let mut value = node.value();
    if start.is_some() && start != last {
        for (key, label) in machine.kubelet.iter().flat_map(|own| &own.labels) {
            value["metadata"]["labels"][key] = json!(label);
        }
        forget_heartbeats(&mut value);
    }
    let was_ready = condition::holds(&value["status"], "Ready");
    let known = status(machine);
    for (key, fact) in known.as_object().into_iter().flatten() {
        value["status"][key] = fact.clone();
    }
    let images = cx.kubelet.images.get(&machine.name).into_iter().flatten().chain(&machine.images);
    let images: std::collections::BTreeSet<_> = images.collect();
    value["status"]["images"] = images.iter().map(|image| json!({"names": [image], "sizeBytes": 52_428_800})).collect();
    let due = match &machine.kubelet {
        Some(own) => own.not_ready.is_none(),
        None => was_ready || cx.kubelet.due(&node.uid, "node-ready", cx.world.pace.node_ready),
    };
    if let Some(why) = machine.kubelet.as_ref().and_then(|own| own.not_ready.as_deref()) {
        post(&mut value["status"], Err(why));
    }
    if due {
        post(&mut value["status"], Ok(()));
        retain_taints(&mut value);
    }
    cordon(&mut value);
    if cx.update(node, value) && due && !was_ready {
        let message = format!("Node {0} status is now: NodeReady", machine.name);
        cx.event(node, Event { host: &machine.name, ..Event::normal("kubelet", "NodeReady", message) });
    }
    if due && cx.kubelet.ready.insert(machine.name.clone()) {
        requeue_pods(cx, &machine.name);
    }
    if !due && machine.kubelet.is_none() {
        cx.after(Controller::Node, "", &machine.name, cx.world.pace.node_ready);
    }
    if cx.get("Lease", "kube-node-lease", &machine.name).is_none() {
        lease(cx, node);
    }
}

/// Keeps the taint that shows a cordoned node in step with `spec.unschedulable`.
fn cordon(value: &mut Value) {
    let cordoned = value["spec"]["unschedulable"] == true;
    let mut taints = value["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let marked = taints.iter().any(|taint| taint["key"] == UNSCHEDULABLE);
    if cordoned == marked {
        return;
    }
    taints.retain(|taint| taint["key"] != UNSCHEDULABLE);
    if cordoned {
        taints.push(json!({"key": UNSCHEDULABLE, "effect": "NoSchedule", "timeAdded": condition::now()}));
    }
    match taints.is_empty() {
        true => drop(value["spec"].as_object_mut().map(|spec| spec.remove("taints"))),
        false => value["spec"]["taints"] = Value::Array(taints),
    }
}

fn retain_taints(value: &mut Value) {
    let Some(taints) = value.pointer_mut("/spec/taints").and_then(Value::as_array_mut) else { return };
    taints.retain(|taint| taint["key"] != UNREACHABLE && taint["key"] != NOT_READY);
    if taints.is_empty() {
        value["spec"].as_object_mut().map(|spec| spec.remove("taints"));
    }
}

fn lease(cx: &mut Context, node: &Object) {
    let mut lease = new_object("Lease", "kube-node-lease", &node.key.name);
    lease["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Node", "name": node.key.name, "uid": node.uid}]);
    lease["spec"] =
        json!({"holderIdentity": node.key.name, "leaseDurationSeconds": 40, "renewTime": condition::micro_now()});
    cx.create("Lease", lease);
}

/// The kubelet no longer posts: the node's conditions are unknown, its pods count as not ready.
fn lose(cx: &mut Context, node: &Object) {
    let mut value = node.value();
    if condition::get(&value["status"], "Ready")["status"] != "Unknown" {
        for kind in ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"] {
            let reason = "NodeStatusUnknown";
            let message = "Kubelet stopped posting node status.";
            condition::set(&mut value["status"], Condition { kind, status: "Unknown", reason, message });
        }
        retain_taints(&mut value);
        let mut taints = value["spec"]["taints"].as_array().cloned().unwrap_or_default();
        for effect in ["NoSchedule", "NoExecute"] {
            taints.push(json!({"key": UNREACHABLE, "effect": effect, "timeAdded": condition::now()}));
        }
        value["spec"]["taints"] = Value::Array(taints);
        if cx.update(node, value) {
            let message = format!("Node {0} status is now: NodeNotReady", node.key.name);
            cx.event(node, Event::normal("node-controller", "NodeNotReady", message));
        }
    }
    cx.kubelet.forget(&node.uid);
    requeue_pods(cx, &node.key.name);
}

fn requeue_pods(cx: &mut Context, node: &str) {
    for (namespace, name) in cx.index.on_node(node).names {
        cx.add(Controller::Kubelet, &namespace, &name);
    }
}

/// Pods cannot outlive their Node object.
fn drop_pods(cx: &mut Context, node: &str) {
    for (namespace, name) in cx.index.on_node(node).names {
        if let Some(pod) = cx.get("Pod", &namespace, &name) {
            let _ = cx.store.remove(&pod);
        }
    }
}
