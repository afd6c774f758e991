//! Many pods at once.

use super::super::testing::{Cluster, node, workload};
use crate::{
    model::Role,
    rehearsal::{faults::Faults, resource::of},
};

#[test]
fn many_pods_on_many_nodes_become_ready() {
    let nodes = (0..20).map(|n| node(&format!("node-{n}"), if n == 0 { Role::Server } else { Role::Agent }));
    let cluster = Cluster::of(Faults::default(), nodes);
    let open = |node: &serde_json::Value| node["spec"]["taints"].is_null();
    cluster.until("ready nodes", || cluster.list("Node").iter().filter(|node| open(node)).count() == 20);
    for n in 0..10 {
        cluster.create("Deployment", &format!("web-{n}"), workload(&format!("web-{n}"), 50));
    }
    let ready = || {
        let sets = cluster.list("Deployment");
        sets.iter().all(|set| set["status"]["readyReplicas"] == 50)
    };
    cluster.until("500 ready pods", ready);
    let most = cluster.list("Pod").iter().filter(|pod| pod["spec"]["nodeName"] == "node-7").count();
    assert!((20..=30).contains(&most), "{most} pods on one of 20 nodes");
    assert_eq!(cluster.store.list(of("Pod"), Some("default")).0.len(), 500);
}
