//! What is done to pods and to the nodes they are on.

use serde_json::json;

use crate::{
    rehearsal::{POD, rehearsal},
    support::contains,
};

#[test]
fn nodes_are_cordoned_tainted_and_drained() {
    let r = rehearsal();
    r.file("node.yaml", "{apiVersion: v1, kind: Node, metadata: {name: node-1}}");
    r.kubectl("create -f node.yaml").ok();
    r.file(
        "pod.yaml",
        &POD.replace("NAME", "one").replace("spec: {", "spec: {nodeName: node-1, terminationGracePeriodSeconds: 0, "),
    );
    r.kubectl("create -f pod.yaml").ok();
    r.kubectl("taint node node-1 a=b:NoSchedule").ok();
    contains(&r.kubectl("describe node node-1").ok(), "a=b:NoSchedule");
    contains(&r.kubectl("drain node-1 --force --timeout=20s").ok(), "node/node-1 drained");
    assert_eq!(r.json("get node node-1")["spec"]["unschedulable"], true);
    contains(&r.kubectl("uncordon node-1").ok(), "uncordoned");
}

#[test]
fn logs_exec_and_eviction() {
    let r = rehearsal();
    r.file("pod.yaml", &POD.replace("NAME", "one"));
    r.kubectl("create -f pod.yaml").ok();
    contains(&r.kubectl("logs one").ok(), "no container runs here");
    assert_eq!(r.kubectl("logs one --tail=1").ok().lines().count(), 1);
    contains(&r.kubectl("logs one --timestamps").ok(), "Z rehearsal:");
    contains(&r.kubectl("logs one -c other").err(), "container other is not valid for pod one");
    contains(&r.kubectl("exec one -- true").err(), "this is a rehearsal cluster: no container runs");
    contains(&r.kubectl("port-forward pod/one 8080:80").err(), "pod is not running");
    let budget = "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {minAvailable: 1, selector: {matchLabels: {app: one}}}}";
    r.file("budget.yaml", budget);
    r.kubectl("create -f budget.yaml").ok();
    r.file(
        "evict.json",
        &json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one", "namespace": "default"}})
            .to_string(),
    );
    let evict = "create --raw /api/v1/namespaces/default/pods/one/eviction -f evict.json";
    contains(&r.kubectl(evict).err(), "Cannot evict pod as it would violate the pod's disruption budget.");
    r.kubectl(r#"patch pdb b --subresource=status --type=merge -p '{"status":{"disruptionsAllowed":1}}'"#).ok();
    r.kubectl(evict).ok();
    contains(&r.kubectl("get pod one").err(), "not found");
}
