//! Objects changed in part or as a whole.

use serde_json::json;

use crate::{rehearsal::rehearsal, support::contains};

#[test]
fn patch_label_annotate_and_scale() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("create -f web.yaml").ok();
    r.kubectl(r#"patch deployment web -p '{"spec":{"minReadySeconds":3}}'"#).ok();
    r.kubectl(r#"patch deployment web --type=merge -p '{"spec":{"paused":true}}'"#).ok();
    r.kubectl(r#"patch deployment web --type=json -p '[{"op":"replace","path":"/spec/replicas","value":5}]'"#).ok();
    let spec = &r.json("get deployment web")["spec"];
    assert_eq!((&spec["minReadySeconds"], &spec["paused"], &spec["replicas"]), (&json!(3), &json!(true), &json!(5)));
    contains(&r.kubectl("label deployment web tier=front").ok(), "labeled");
    contains(&r.kubectl("label deployment web tier=back").err(), "already has a value (front)");
    contains(&r.kubectl("annotate deployment web note='two words'").ok(), "annotated");
    assert_eq!(r.kubectl("scale deployment web --replicas=7").ok(), "deployment.apps/web scaled\n");
    contains(
        &r.kubectl("scale deployment web --current-replicas=1 --replicas=2").err(),
        "Expected replicas to be 1, was 7",
    );
    let web = r.json("get deployment web");
    assert_eq!((&web["spec"]["replicas"], &web["metadata"]["labels"]["tier"]), (&json!(7), &json!("front")));
    r.kubectl("set image deployment/web web=nginx:3").ok();
    assert_eq!(r.json("get deployment web")["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:3");
    r.kubectl(r#"patch deployment web --subresource=status --type=merge -p '{"status":{"replicas":9},"spec":{"replicas":1}}'"#).ok();
    let web = r.json("get deployment web");
    assert_eq!((&web["spec"]["replicas"], &web["status"]["replicas"]), (&json!(7), &json!(9)));
    r.kubectl(r#"patch deployment web --type=merge -p '{"status":{"replicas":1}}'"#).ok();
    assert_eq!(r.json("get deployment web")["status"]["replicas"], 9);
}

#[test]
fn rollouts_restart_pause_and_resume() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("apply -f web.yaml").ok();
    r.kubectl("rollout restart deployment/web").ok();
    let annotations = &r.json("get deployment web")["spec"]["template"]["metadata"]["annotations"];
    assert!(annotations["kubectl.kubernetes.io/restartedAt"].is_string());
    contains(&r.kubectl("rollout pause deployment/web").ok(), "paused");
    contains(&r.kubectl("rollout resume deployment/web").ok(), "resumed");
    let done = r#"{"status":{"observedGeneration":9,"replicas":2,"updatedReplicas":2,"availableReplicas":2,"readyReplicas":2}}"#;
    r.kubectl(&format!("patch deployment web --subresource=status --type=merge -p '{done}'")).ok();
    contains(&r.kubectl("rollout status deployment/web --timeout=10s").ok(), "successfully rolled out");
    r.kubectl("set env deployment/web A=B").ok();
    r.kubectl("set resources deployment/web --limits=cpu=1").ok();
    contains(&r.kubectl("describe deployment web").ok(), "nginx:1");
}

#[test]
fn a_stale_replace_is_refused() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("create -f web.yaml").ok();
    r.file("old.json", &r.kubectl("get deployment web -o json").ok());
    r.kubectl("label deployment web a=b").ok();
    let refused = r.kubectl("replace -f old.json").err();
    contains(
        &refused,
        "(Conflict): error when replacing \"old.json\": Operation cannot be fulfilled on deployments.apps \"web\"",
    );
    contains(&refused, "the object has been modified; please apply your changes to the latest version and try again");
    contains(&r.kubectl("replace -f web.yaml").ok(), "replaced");
}
