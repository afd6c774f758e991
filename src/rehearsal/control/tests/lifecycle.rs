//! Nodes that stop, objects that end, controllers that crash.

use serde_json::{Value, json};

use super::super::{
    condition,
    testing::{Cluster, node, workload},
};
use crate::{model::Role, rehearsal::faults::Faults};

#[test]
fn a_node_joins_with_what_people_look_for() {
    let cluster = Cluster::new(Faults::default());
    let node = || cluster.get("Node", "server-1");
    cluster.until("a ready node", || condition::holds(&node()["status"], "Ready"));
    assert_eq!(node()["metadata"]["labels"]["node-role.kubernetes.io/control-plane"], "true");
    assert_eq!(node()["status"]["nodeInfo"]["kubeletVersion"], "v1.33.5+k3s1");
    cluster.until("the account", || cluster.find("ServiceAccount", "default").is_some());
    cluster.until("the class", || cluster.find("StorageClass", "local-path").is_some());
    cluster.until("the lease", || !cluster.store.list(crate::rehearsal::resource::of("Lease"), None).0.is_empty());
}

#[test]
fn pods_of_a_stopped_node_are_not_ready_and_restart_with_it() {
    let cluster = Cluster::of(Faults::default(), [node("server-1", Role::Server)]);
    cluster.create("Deployment", "web", workload("web", 2));
    cluster.until("ready pods", || cluster.ready_pods("web") == 2);
    cluster.world.set_running("server-1", false);
    let ready = || condition::get(&cluster.get("Node", "server-1")["status"], "Ready").clone();
    cluster.until("a lost node", || ready()["status"] == "Unknown");
    assert_eq!(ready()["message"], "Kubelet stopped posting node status.");
    cluster.until("pods that are not ready", || cluster.ready_pods("web") == 0);
    cluster.world.set_running("server-1", true);
    cluster.until("ready pods again", || cluster.ready_pods("web") == 2);
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"] == 1;
    assert!(cluster.pods("web").iter().all(restarts));
    assert!(cluster.get("Node", "server-1")["spec"]["taints"].is_null());
}

#[test]
fn new_controllers_finish_what_crashed_ones_began() {
    let mut cluster = Cluster::new(Faults::default());
    cluster.create("Deployment", "web", workload("web", 20));
    cluster.create("StatefulSet", "db", workload("db", 3));
    for _ in 0..12 {
        cluster.restart();
        std::thread::sleep(std::time::Duration::from_millis(7));
    }
    cluster.until("all pods", || cluster.ready_pods("web") == 20 && cluster.ready_pods("db") == 3);
    cluster.delete("StatefulSet", "db", Some("foregroundDeletion"));
    cluster.change("Deployment", "web", |value| value["spec"]["replicas"] = json!(5));
    cluster.restart();
    cluster.until("the end", || cluster.pods("db").is_empty() && cluster.find("StatefulSet", "db").is_none());
    cluster.until("fewer pods", || cluster.pods("web").len() == 5);
}

#[test]
fn dependents_follow_their_owner_or_are_left_alone() {
    let cluster = Cluster::new(Faults::default());
    cluster.create("Deployment", "web", workload("web", 2));
    cluster.create("Deployment", "kept", workload("kept", 2));
    cluster.until("ready pods", || cluster.ready_pods("web") == 2 && cluster.ready_pods("kept") == 2);
    cluster.remove("Deployment", "web");
    cluster.until("the end of the pods", || cluster.pods("web").is_empty());
    cluster.delete("Deployment", "kept", Some("orphan"));
    cluster.until("the end of the deployment", || cluster.find("Deployment", "kept").is_none());
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(cluster.pods("kept").len(), 2);
    assert!(cluster.list("ReplicaSet").iter().all(|set| set["metadata"]["ownerReferences"].is_null()));
}

#[test]
fn a_namespace_ends_with_all_it_holds() {
    let cluster = Cluster::new(Faults::default());
    cluster.create("Deployment", "web", workload("web", 3));
    let mut db = workload("db", 1);
    db["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "local-path",
    }}]);
    cluster.create("StatefulSet", "db", db);
    cluster.until("ready pods", || cluster.ready_pods("web") == 3 && cluster.ready_pods("db") == 1);
    let old = cluster.get("Namespace", "default")["metadata"]["uid"].clone();
    cluster.change("Namespace", "default", |namespace| {
        namespace["metadata"]["deletionTimestamp"] = json!(condition::now());
        namespace["status"]["phase"] = json!("Terminating");
    });
    // It comes back, empty, as every cluster has this namespace.
    cluster.until("a new namespace", || {
        cluster.find("Namespace", "default").is_some_and(|it| it["metadata"]["uid"] != old)
    });
    assert!(cluster.list("Pod").is_empty() && cluster.list("PersistentVolumeClaim").is_empty());
    cluster.until("no volumes", || cluster.list("PersistentVolume").is_empty());
}

#[test]
fn a_finalizer_keeps_a_stopped_pod() {
    let cluster = Cluster::new(Faults::default());
    let mut web = workload("web", 1);
    web["spec"]["template"]["metadata"]["finalizers"] = json!(["example.org/wait"]);
    cluster.create("Deployment", "web", web);
    cluster.until("a ready pod", || cluster.ready_pods("web") == 1);
    let name = cluster.pods("web")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    cluster.delete("Pod", &name, Some("example.org/wait"));
    cluster.until("its replacement", || cluster.ready_pods("web") == 1 && cluster.pods("web").len() == 2);
    cluster.change("Pod", &name, |pod| pod["metadata"]["finalizers"] = json!([]));
    cluster.until("its end", || cluster.find("Pod", &name).is_none());
}
