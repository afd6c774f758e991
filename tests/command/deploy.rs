use serde_json::Value;

use crate::sandbox::Sandbox;

fn created() -> Sandbox {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    sandbox
}

fn uids(sandbox: &Sandbox, kind: &str) -> Vec<String> {
    let text = sandbox.kubectl(&format!("get {kind} -n shop -o json"));
    let list: Value = serde_json::from_str(&text).unwrap();
    let uid = |item: &Value| format!("{}={}", item["metadata"]["name"], item["metadata"]["uid"]);
    list["items"].as_array().unwrap().iter().map(uid).collect()
}

fn secret(sandbox: &Sandbox) -> String {
    sandbox.kubectl("get secret database -n shop -o jsonpath={.metadata.uid}{.data}")
}

#[test]
fn a_changed_manifest_rolls_only_its_workload() {
    let sandbox = created();
    let (secret_before, database) = (secret(&sandbox), uids(&sandbox, "pods -l app=database"));
    let web = uids(&sandbox, "pods -l app=web");
    sandbox.edit("shop/web.yaml", "nginx:1.27", "nginx:1.28");
    sandbox.run(&["status"]).exits(1).says("Deployment/web differs from its manifest");
    sandbox.run(&["plan"]).ok().says("~ ").says("1 to do");
    sandbox.run(&["deploy", "shop"]).ok().says("stacks deployed");
    sandbox.run(&["status"]).ok();
    assert_eq!(uids(&sandbox, "pods -l app=database"), database);
    assert!(uids(&sandbox, "pods -l app=web").iter().all(|pod| !web.contains(pod)));
    assert_eq!(secret(&sandbox), secret_before);
    assert_eq!(sandbox.run(&["deploy", "-o", "json"]).ok().finished()["changed"], false);
}

#[test]
fn what_the_stack_no_longer_has_is_removed() {
    let sandbox = created();
    std::fs::remove_file(sandbox.path("shop/web.yaml")).unwrap();
    sandbox.run(&["plan"]).ok().says("- ").says("web");
    sandbox.run(&["deploy"]).ok();
    assert_eq!(sandbox.kubectl("get deployment,service web -n shop --ignore-not-found"), "");
    sandbox.run(&["status"]).ok().says_not("web");
}

#[test]
fn drift_is_seen_and_repaired() {
    let sandbox = created();
    sandbox.kubectl("scale deployment web -n shop --replicas 5");
    sandbox.run(&["status"]).exits(1).says("web differs from its manifest");
    sandbox.run(&["deploy"]).ok();
    sandbox.run(&["status"]).ok();
    assert_eq!(sandbox.kubectl("get deployment web -n shop -o jsonpath={.spec.replicas}"), "2");

    sandbox.kubectl("delete service web -n shop");
    sandbox.run(&["status"]).exits(1).says("Service/web does not exist");
    sandbox.run(&["deploy"]).ok();
    sandbox.run(&["status"]).ok();

    sandbox.kubectl("label deployment web -n shop app.kubernetes.io/managed-by=me --overwrite");
    let status = sandbox.run(&["status"]);
    sandbox.run(&["deploy"]).ok();
    sandbox.run(&["status"]).ok();
    drop(status);
}

#[test]
fn undeploy_keeps_what_cannot_be_made_again() {
    let sandbox = created();
    let (secret_before, claims) = (secret(&sandbox), uids(&sandbox, "pvc"));
    assert_eq!(claims.len(), 1);
    sandbox.run(&["undeploy"]).ok().says("stacks removed");
    assert_eq!(sandbox.kubectl("get deployments,statefulsets,services,pods -n shop --ignore-not-found"), "");
    assert_eq!(uids(&sandbox, "pvc"), claims);
    assert_eq!(secret(&sandbox), secret_before);
    sandbox.run(&["status"]).exits(1).says("does not exist");
    assert_eq!(sandbox.run(&["undeploy", "-o", "json"]).ok().finished()["changed"], false);

    sandbox.run(&["deploy"]).ok();
    assert_eq!(uids(&sandbox, "pvc"), claims);
    assert_eq!(secret(&sandbox), secret_before);
    sandbox.run(&["status"]).ok();

    sandbox.run(&["undeploy", "--volumes"]).ok();
    assert_eq!(sandbox.kubectl("get namespace shop --ignore-not-found"), "");
    assert_eq!(sandbox.kubectl("get pv --ignore-not-found"), "");
    sandbox.run(&["create"]).ok();
    assert_ne!(secret(&sandbox), secret_before);
}
