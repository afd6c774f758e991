//! What the server is: its resources, its state, who may ask.

use orchestrator::rehearsal::api::Phase;

use crate::{rehearsal::rehearsal, support::contains};

#[test]
fn discovery_and_raw_paths() {
    let r = rehearsal();
    let resources = r.kubectl("api-resources").ok();
    for line in ["deployments deploy apps/v1 true Deployment", "nodes no v1 false Node"] {
        let squeezed = resources.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(squeezed.into_iter().any(|found| found == line), "{line} is not in\n{resources}");
    }
    contains(&r.kubectl("api-resources --categories=all -o name").ok(), "statefulsets.apps");
    contains(&r.kubectl("api-versions").ok(), "autoscaling/v2\n");
    contains(&r.kubectl("version").ok(), "Server Version: v1.33.5+k3s1");
    assert_eq!(r.kubectl("get --raw /readyz").ok(), "ok");
    contains(&r.kubectl("get --raw /readyz?verbose").ok(), "readyz check passed");
    contains(&r.kubectl("get --raw /apis/apps").ok(), "\"APIGroup\"");
    contains(&r.kubectl("get --raw /nope").err(), "(NotFound): the server could not find the requested resource");
    contains(&r.kubectl("get widgets").err(), "the server doesn't have a resource type \"widgets\"");
    assert_eq!(r.kubectl("auth can-i create pods").ok(), "yes\n");
    contains(&r.kubectl("auth whoami").ok(), "system:admin");
}

#[test]
fn phases_and_tokens() {
    let r = rehearsal();
    r.api.set_phase(Phase::Starting);
    contains(&r.kubectl("get --raw /readyz").err(), "the server is currently unable to handle the request");
    r.kubectl("get namespaces").ok();
    r.api.set_phase(Phase::Stopped);
    contains(&r.kubectl("get --raw /api").err(), "K3s is not running in this rehearsal");
    r.api.set_phase(Phase::Ready);
    r.write_kubeconfig("wrong");
    contains(&r.kubectl("get --raw /api/v1/pods").err(), "You must be logged in to the server (Unauthorized)");
    assert_eq!(r.kubectl("get --raw /livez").ok(), "ok");
}
