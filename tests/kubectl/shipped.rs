//! The shipped stack in kubectl's hands and back in the orchestrator's.

use crate::{cluster::Cluster, support::contains};

#[test]
fn kubectl_applies_what_the_orchestrator_deployed() {
    let c = Cluster::shipped();
    let diff = c.kubectl("diff -f manifests/microservices");
    let changed: Vec<_> = diff.stdout.lines().filter(|line| line.starts_with("- ") || line.starts_with("+ ")).collect();
    assert!(!changed.is_empty() && changed.iter().all(|line| line.contains("image: ")), "{changed:?}");
    let applied = c.kubectl("apply -f manifests/microservices");
    contains(&applied.stderr, "missing the kubectl.kubernetes.io/last-applied-configuration annotation");
    assert!(applied.ok().lines().all(|line| line.ends_with(" configured")));
    assert_eq!(c.kubectl("diff -f manifests/microservices").ok(), "");
    let again = c.kubectl("apply -f manifests/microservices").ok();
    assert!(again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    // The images have other names now: the orchestrator puts them right.
    c.orchestrator("deploy");
    for workload in ["deploy/api-gateway", "deploy/inventory-app", "sts/billing-app"] {
        c.kubectl(&format!("rollout status -n microservices {workload} --timeout=30s")).ok();
    }
    c.orchestrator("status").ok();
}
