//! Claims and volumes.

use serde_json::{Value, json};

use super::super::testing::{Cluster, workload};
use crate::rehearsal::faults::Faults;

fn claim(class: Option<&str>) -> Value {
    let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    if let Some(class) = class {
        spec["storageClassName"] = json!(class);
    }
    json!({"spec": spec, "status": {"phase": "Pending"}})
}

fn with_claim(app: &str, name: &str) -> Value {
    let mut web = workload(app, 1);
    web["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": name}}]);
    web
}

#[test]
fn the_default_class_makes_a_volume_when_a_pod_needs_it() {
    let cluster = Cluster::new(Faults::default());
    cluster.until("the class", || cluster.find("StorageClass", "local-path").is_some());
    cluster.create("PersistentVolumeClaim", "data", claim(None));
    cluster.until("the wait", || {
        cluster.told("WaitForFirstConsumer: waiting for first consumer to be created before binding")
    });
    cluster.create("Deployment", "web", with_claim("web", "data"));
    cluster.until("a ready pod", || cluster.ready_pods("web") == 1);
    let bound = cluster.get("PersistentVolumeClaim", "data");
    assert_eq!(
        (&bound["status"]["phase"], &bound["spec"]["storageClassName"]),
        (&json!("Bound"), &json!("local-path"))
    );
    cluster.remove("Deployment", "web");
    cluster.until("no pods", || cluster.pods("web").is_empty());
    cluster.delete("PersistentVolumeClaim", "data", Some("kubernetes.io/pvc-protection"));
    cluster.until("no volume", || cluster.list("PersistentVolume").is_empty());
}

#[test]
fn a_missing_claim_is_named_and_a_made_before_volume_binds() {
    let cluster = Cluster::new(Faults::default());
    cluster.create("Deployment", "web", with_claim("web", "data"));
    cluster.until("the event", || cluster.told("persistentvolumeclaim \"data\" not found. preemption: "));
    cluster.create(
        "PersistentVolume",
        "disk",
        json!({"spec": {
        "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}, "storageClassName": "manual",
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/mnt"},
    }, "status": {}}),
    );
    cluster.until("a free volume", || cluster.get("PersistentVolume", "disk")["status"]["phase"] == "Available");
    cluster.create("PersistentVolumeClaim", "data", claim(Some("manual")));
    cluster.until("a ready pod", || cluster.ready_pods("web") == 1);
    cluster.remove("Deployment", "web");
    cluster.until("no pods", || cluster.pods("web").is_empty());
    cluster.delete("PersistentVolumeClaim", "data", Some("kubernetes.io/pvc-protection"));
    cluster.until("a released volume", || cluster.get("PersistentVolume", "disk")["status"]["phase"] == "Released");
}
