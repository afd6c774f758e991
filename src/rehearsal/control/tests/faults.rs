//! Each fault as people see it, and how it heals.

use serde_json::json;

use super::super::testing::{Cluster, workload};
use crate::rehearsal::faults::Faults;

#[test]
fn an_image_that_cannot_be_pulled_backs_off_and_heals() {
    let cluster = Cluster::new(Faults { image_pull: vec!["web".into()], ..Faults::default() });
    cluster.create("Deployment", "web", workload("web", 1));
    cluster.until("the first failure", || cluster.waits("web") == "ErrImagePull");
    cluster.until("the back-off", || cluster.waits("web") == "ImagePullBackOff");
    assert!(
        cluster.told("failed to resolve reference \"docker.io/library/web:1\": docker.io/library/web:1: not found")
    );
    cluster.world.set_faults(Faults::default());
    cluster.until("the healed pod", || cluster.ready_pods("web") == 1);
}

#[test]
fn a_tag_that_was_not_delivered_cannot_be_pulled() {
    let cluster = Cluster::new(Faults::default());
    for node in ["server-1", "agent-1"] {
        cluster.world.deliver(node, "docker.io/library/web:2");
    }
    cluster.create("Deployment", "web", workload("web", 1));
    cluster.until("the failure", || cluster.waits("web") == "ImagePullBackOff");
    assert!(cluster.told("pull access denied"));
    for node in ["server-1", "agent-1"] {
        cluster.world.deliver(node, "web:1");
    }
    cluster.until("the healed pod", || cluster.ready_pods("web") == 1);
    cluster.until("the event", || cluster.told("already present on machine"));
}

#[test]
fn a_malformed_reference_is_called_so() {
    let cluster = Cluster::new(Faults::default());
    let mut web = workload("web", 1);
    web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("Web:1");
    cluster.create("Deployment", "web", web);
    cluster.until("the reason", || cluster.waits("web") == "InvalidImageName");
}

#[test]
fn a_crash_loop_restarts_backs_off_and_heals() {
    let cluster = Cluster::new(Faults { crash_loop: vec!["default/web".into()], ..Faults::default() });
    cluster.create("Deployment", "web", workload("web", 1));
    cluster.until("the loop", || cluster.waits("web") == "CrashLoopBackOff");
    let status = cluster.pods("web")[0]["status"]["containerStatuses"][0].clone();
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    assert!(
        status["state"]["waiting"]["message"]
            .as_str()
            .unwrap()
            .starts_with("back-off 10s restarting failed container=web")
    );
    assert_eq!(cluster.ready_pods("web"), 0);
    cluster.world.set_faults(Faults::default());
    cluster.until("the healed pod", || cluster.ready_pods("web") == 1);
    assert!(cluster.told("BackOff: Back-off restarting failed container web in pod web-"));
}

#[test]
fn a_failing_probe_keeps_a_running_pod_from_being_ready() {
    let cluster = Cluster::new(Faults { not_ready: vec!["web".into()], ..Faults::default() });
    cluster.create("Deployment", "web", workload("web", 1));
    cluster.until("the event", || {
        cluster.told("Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503")
    });
    assert_eq!(cluster.pods("web")[0]["status"]["phase"], "Running");
    assert_eq!(cluster.ready_pods("web"), 0);
    cluster.world.set_faults(Faults::default());
    cluster.until("the healed pod", || cluster.ready_pods("web") == 1);
}

#[test]
fn a_pod_that_no_node_can_take_says_why() {
    let cluster = Cluster::new(Faults { unschedulable: vec!["web".into()], ..Faults::default() });
    cluster.until("ready nodes", || {
        cluster.list("Node").iter().filter(|node| node["spec"]["taints"].is_null()).count() == 2
    });
    cluster.create("Deployment", "web", workload("web", 1));
    let message = "FailedScheduling: 0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.";
    cluster.until("the event", || cluster.told(message));
    cluster.world.set_faults(Faults::default());
    cluster.until("the healed pod", || cluster.ready_pods("web") == 1);
}

#[test]
fn a_cordoned_and_a_full_node_are_counted_apart() {
    let cluster = Cluster::new(Faults::default());
    cluster.until("ready nodes", || {
        cluster.list("Node").iter().filter(|node| node["spec"]["taints"].is_null()).count() == 2
    });
    cluster.change("Node", "agent-1", |node| node["spec"]["unschedulable"] = json!(true));
    let mut web = workload("web", 1);
    web["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "64"}});
    cluster.create("Deployment", "web", web);
    cluster.until("the event", || cluster.told("0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."));
}

#[test]
fn a_missing_secret_or_key_is_named_until_it_is_there() {
    let cluster = Cluster::new(Faults::default());
    let mut web = workload("web", 1);
    web["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}}]);
    cluster.create("Deployment", "web", web);
    cluster.until("the reason", || cluster.waits("web") == "CreateContainerConfigError");
    assert!(cluster.told("Failed: Error: secret \"keys\" not found"));
    cluster.create("Secret", "keys", json!({"data": {"b": "Yg=="}}));
    cluster.until("the other reason", || cluster.told("couldn't find key a in Secret default/keys"));
    cluster.change("Secret", "keys", |secret| secret["data"]["a"] = json!("YQ=="));
    cluster.until("the healed pod", || cluster.ready_pods("web") == 1);
}
