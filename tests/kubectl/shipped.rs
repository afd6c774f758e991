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
    let versions = || {
        c.kubectl("get deploy,sts,svc,hpa,pdb,netpol,pvc -n microservices -o jsonpath={.items[*].metadata.generation}")
            .ok()
    };
    let before = versions();
    c.kubectl("apply -f manifests/microservices").ok();
    assert_eq!(versions(), before);
    // The images have other names now: the orchestrator puts them right.
    contains(&c.orchestrator("deploy").ok(), "stacks deployed");
    c.orchestrator("status").ok();
}
