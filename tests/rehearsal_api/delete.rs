//! Objects on their way out.

use serde_json::json;

use crate::{
    rehearsal::{POD, rehearsal},
    support::contains,
};

#[test]
fn finalizers_and_propagation() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("create -f web.yaml").ok();
    r.kubectl(r#"patch deployment web --type=merge -p '{"metadata":{"finalizers":["example.com/keep"]}}'"#).ok();
    r.kubectl("delete deployment web --wait=false").ok();
    assert!(r.json("get deployment web")["metadata"]["deletionTimestamp"].is_string());
    let more =
        r#"patch deployment web --type=merge -p '{"metadata":{"finalizers":["example.com/keep","example.com/more"]}}'"#;
    contains(&r.kubectl(more).err(), "no new finalizers can be added if the object is being deleted");
    r.kubectl(r#"patch deployment web --type=merge -p '{"metadata":{"finalizers":null}}'"#).ok();
    contains(&r.kubectl("get deployment web").err(), "not found");
    r.kubectl("create -f web.yaml").ok();
    r.kubectl("delete deployment web --cascade=foreground --wait=false").ok();
    assert_eq!(r.json("get deployment web")["metadata"]["finalizers"], json!(["foregroundDeletion"]));
}

#[test]
fn deleting_pods_by_selector_and_by_collection() {
    let r = rehearsal();
    for name in ["one", "two", "three"] {
        r.file("pod.yaml", &POD.replace("NAME", name));
        r.kubectl("create -f pod.yaml").ok();
    }
    assert_eq!(r.kubectl("delete pods -l app=one").ok(), "pod \"one\" deleted\n");
    r.kubectl("delete pods --all").ok();
    contains(&r.kubectl("get pods").stderr, "No resources found in default namespace.");
    r.file("pod.yaml", &POD.replace("NAME", "four").replace("spec: {", "spec: {nodeName: node-1, "));
    r.kubectl("create -f pod.yaml").ok();
    r.kubectl("delete pod four --wait=false").ok();
    assert_eq!(r.json("get pod four")["metadata"]["deletionGracePeriodSeconds"], 30);
    r.kubectl("delete pod four --force --grace-period=0").ok();
    contains(&r.kubectl("get pod four").err(), "not found");
}

#[test]
fn namespaces_terminate_and_take_nothing_new() {
    let r = rehearsal();
    r.file("ns.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: a}}");
    r.kubectl("create -f ns.yaml").ok();
    r.kubectl("delete namespace a --wait=false").ok();
    assert_eq!(r.json("get namespace a")["status"]["phase"], "Terminating");
    r.file("pod.yaml", &POD.replace("NAME", "x").replace("namespace: default", "namespace: a"));
    let refused = r.kubectl("create -f pod.yaml").err();
    contains(
        &refused,
        "pods \"x\" is forbidden: unable to create new content in namespace a because it is being terminated",
    );
    r.file(
        "final.json",
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {"finalizers": []}})
            .to_string(),
    );
    r.kubectl("replace --raw /api/v1/namespaces/a/finalize -f final.json").ok();
    contains(&r.kubectl("get namespace a").err(), "namespaces \"a\" not found");
}
