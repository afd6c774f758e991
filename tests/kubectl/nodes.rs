//! Nodes, evictions and namespaces.

use serde_json::json;

use crate::{
    cluster::Cluster,
    support::{contains, in_order, squeezed, within_seconds},
};

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'nginx:1', volumeMounts: [{name: v, mountPath: /v}]}]
      volumes: [{name: v, emptyDir: {}}]
";

#[test]
fn nodes_come_and_go() {
    let c = Cluster::empty();
    c.apply(WEB);
    c.kubectl("rollout status deploy/web --timeout=30s").ok();
    drained(&c);
    unschedulable(&c);
    stopped(&c);
    namespaces(&c);
}

fn drained(c: &Cluster) {
    assert_eq!(c.kubectl("cordon c-agent-1").ok(), "node/c-agent-1 cordoned\n");
    contains(&squeezed(&c.kubectl("get node c-agent-1").ok()), "c-agent-1 Ready,SchedulingDisabled");
    contains(&c.kubectl("describe node c-agent-1").ok(), "node.kubernetes.io/unschedulable:NoSchedule");
    let refused = c.kubectl("drain c-agent-1 --ignore-daemonsets").err();
    contains(&refused, "cannot delete Pods with local storage (use --delete-emptydir-data to override)");
    let drained = c.kubectl("drain c-agent-1 --ignore-daemonsets --delete-emptydir-data --timeout=30s").ok();
    contains(&drained, "node/c-agent-1 drained");
    c.kubectl("rollout status deploy/web --timeout=30s").ok();
    let nodes = c.kubectl("get pods -l app=web -o jsonpath={.items[*].spec.nodeName}").ok();
    assert_eq!(nodes, "c-server-1 c-server-1 c-server-1");
    c.kubectl("uncordon c-agent-1").ok();
}

fn unschedulable(c: &Cluster) {
    c.kubectl("run big --image=busybox:1 --overrides='{\"spec\":{\"containers\":[{\"name\":\"big\",\"image\":\"busybox:1\",\"resources\":{\"requests\":{\"cpu\":\"64\"}}}]}}'").ok();
    within_seconds(10, || {
        let described = c.kubectl("describe pod big").ok();
        described.contains("0/2 nodes are available: 2 Insufficient cpu.").then_some(())
    });
    contains(&squeezed(&c.kubectl("get pod big").ok()), "big 0/1 Pending 0");
    c.kubectl("delete pod big").ok();
}

fn stopped(c: &Cluster) {
    c.machine(&json!({"stop": "c-agent-1"}));
    within_seconds(20, || squeezed(&c.kubectl("get node c-agent-1").ok()).contains("c-agent-1 NotReady").then_some(()));
    let described = squeezed(&c.kubectl("describe node c-agent-1").ok());
    in_order(
        &described,
        &[
            "node.kubernetes.io/unreachable:NoExecute",
            "Ready Unknown",
            "Kubelet stopped posting node status.",
            "NodeNotReady",
        ],
    );
    c.machine(&json!({"start": "c-agent-1"}));
    c.kubectl("wait --for=condition=Ready node/c-agent-1 --timeout=30s").ok();
}

fn namespaces(c: &Cluster) {
    c.kubectl("create namespace demo").ok();
    c.try_apply(WEB, "-n demo").ok();
    c.kubectl("rollout status -n demo deploy/web --timeout=30s").ok();
    c.kubectl("create configmap settings -n demo --from-literal=a=b").ok();
    assert_eq!(c.kubectl("delete namespace demo --timeout=30s").ok(), "namespace \"demo\" deleted\n");
    assert_eq!(c.kubectl("get all,cm,sa -n demo").stderr, "No resources found in demo namespace.\n");
    contains(&c.kubectl("get ns demo").err(), "namespaces \"demo\" not found");
    contains(
        &c.kubectl("delete namespace default").err(),
        "namespaces \"default\" is forbidden: this namespace may not be deleted",
    );
}
