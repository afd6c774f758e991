//! The login that nodes pull built images with, on its way from the environment into the cluster.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::sandbox::Sandbox;

const SECRET: &str = "orchestrator-registry-shop";
const NAMED: &str = "pull-secret = true\n[images.login]\nuser = \"pupil\"\npassword-env = \"SCHOOL_TOKEN\"\n";

/// The shop, where `web` has an image that is built and pushed.
fn shop(images: &str) -> Sandbox {
    let registry = "[images]\nregistry = \"registry.school.example/shop\"\n";
    let build = "[images.build]\nstorefront = \"storefront\"\n";
    let sandbox = Sandbox::shop().configured(&format!("{registry}{images}{build}"));
    sandbox.write("storefront/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    sandbox.edit("shop/web.yaml", "nginx:1.27", "storefront");
    sandbox
}

fn log_in(sandbox: &mut Sandbox, password: &str) {
    sandbox.set_env("ORCHESTRATOR_REGISTRY_USER", "pupil");
    sandbox.set_env("ORCHESTRATOR_REGISTRY_PASSWORD", password);
}

fn decoded(text: &Value) -> String {
    String::from_utf8(BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap()).unwrap()
}

/// User and password that the Secret holds.
#[track_caller]
fn login(sandbox: &Sandbox) -> String {
    let secret = sandbox.kubectl(&format!("get secret {SECRET} -n shop -o json"));
    let secret: Value = serde_json::from_str(&secret).unwrap();
    assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
    let config: Value = serde_json::from_str(&decoded(&secret["data"][".dockerconfigjson"])).unwrap();
    decoded(&config["auths"]["registry.school.example"]["auth"])
}

fn has_secret(sandbox: &Sandbox) -> bool {
    !sandbox.kubectl(&format!("get secret {SECRET} -n shop --ignore-not-found")).is_empty()
}

fn pulls_with(sandbox: &Sandbox, workload: &str) -> String {
    sandbox.kubectl(&format!("get {workload} -n shop -o jsonpath={{.spec.template.spec.imagePullSecrets[*].name}}"))
}

#[test]
fn the_login_of_the_environment_becomes_the_pull_secret_and_follows_it() {
    let mut sandbox = shop("");
    log_in(&mut sandbox, "first-password");
    sandbox.run(&["plan"]).ok().says(&format!("+ Secret shop/{SECRET}")).says_not("first-password");
    sandbox.run(&["create"]).ok();
    assert_eq!(login(&sandbox), "pupil:first-password");
    assert_eq!(pulls_with(&sandbox, "deployment/web"), SECRET);
    assert_eq!(pulls_with(&sandbox, "statefulset/database"), "");
    sandbox.run(&["status"]).ok();
    assert_eq!(sandbox.run(&["deploy", "-o", "json"]).ok().finished()["changed"], false);

    let pods = sandbox.kubectl("get pods -n shop -o jsonpath={.items[*].metadata.uid}");
    log_in(&mut sandbox, "second-password");
    sandbox.run(&["plan"]).ok().says(&format!("~ Secret shop/{SECRET}")).says("1 to do");
    sandbox.run(&["deploy"]).ok();
    assert_eq!(login(&sandbox), "pupil:second-password");
    assert_eq!(sandbox.kubectl("get pods -n shop -o jsonpath={.items[*].metadata.uid}"), pods, "no pod is replaced");
}

#[test]
fn where_no_login_is_known_the_cluster_keeps_its_own() {
    let mut sandbox = shop("");
    sandbox.run(&["create"]).ok();
    assert!(!has_secret(&sandbox));
    assert_eq!(pulls_with(&sandbox, "deployment/web"), "");
    log_in(&mut sandbox, "a-password");
    sandbox.run(&["deploy"]).ok();

    log_in(&mut sandbox, "");
    sandbox.run(&["status"]).ok();
    sandbox.run(&["plan"]).ok().says("nothing to change");
    sandbox.run(&["deploy"]).ok().says("no login for registry.school.example here").says("nothing had to change");
    assert_eq!(login(&sandbox), "pupil:a-password");
}

#[test]
fn a_secret_that_is_no_longer_needed_is_removed() {
    let mut sandbox = shop("pull-secret = true\n");
    log_in(&mut sandbox, "a-password");
    sandbox.run(&["create"]).ok();
    sandbox.edit("orchestrator.toml", "pull-secret = true", "pull-secret = false");
    sandbox.run(&["plan"]).ok().says(&format!("- Secret shop/{SECRET}")).says("~ Deployment shop/web");
    sandbox.run(&["deploy"]).ok();
    assert!(!has_secret(&sandbox));
    assert_eq!(pulls_with(&sandbox, "deployment/web"), "");

    sandbox.edit("orchestrator.toml", "pull-secret = false", "pull-secret = true");
    sandbox.run(&["deploy"]).ok();
    assert!(has_secret(&sandbox));
    sandbox.edit("shop/web.yaml", "storefront", "nginx:1.27");
    sandbox.run(&["deploy"]).ok();
    assert!(!has_secret(&sandbox), "no pod has a built image");

    sandbox.edit("shop/web.yaml", "nginx:1.27", "storefront");
    sandbox.run(&["deploy"]).ok();
    sandbox.run(&["undeploy"]).ok();
    assert!(!has_secret(&sandbox));
}

#[test]
fn a_login_that_the_configuration_names_must_be_there() {
    let mut sandbox = shop(NAMED);
    let because = "the login for registry.school.example comes from $SCHOOL_TOKEN";
    sandbox.run(&["create"]).exits(2).says(because).says("export SCHOOL_TOKEN=");
    sandbox.set_env("SCHOOL_TOKEN", "a-token");
    sandbox.run(&["create"]).ok();
    assert_eq!(login(&sandbox), "pupil:a-token");
}

#[test]
fn a_token_that_ends_with_its_job_is_told() {
    let mut sandbox = shop("");
    sandbox.set_env("CI_REGISTRY", "registry.school.example");
    sandbox.set_env("CI_REGISTRY_USER", "gitlab-ci-token");
    sandbox.set_env("CI_REGISTRY_PASSWORD", "of-the-job");
    sandbox.run(&["create"]).ok().says("$CI_REGISTRY_PASSWORD ends with this job");
    assert_eq!(login(&sandbox), "gitlab-ci-token:of-the-job");
    sandbox.set_env("CI_DEPLOY_USER", "gitlab+deploy-token-1");
    sandbox.set_env("CI_DEPLOY_PASSWORD", "of-the-project");
    sandbox.run(&["deploy"]).ok().says_not("ends with this job");
    assert_eq!(login(&sandbox), "gitlab+deploy-token-1:of-the-project");
}

#[test]
fn what_a_manifest_pulls_with_is_kept_and_the_login_is_shown_nowhere() {
    let mut sandbox = shop("");
    log_in(&mut sandbox, "not-to-be-seen");
    sandbox.edit("shop/web.yaml", "      containers:", "      imagePullSecrets: [{ name: mine }]\n      containers:");
    let encoded = BASE64_STANDARD.encode("pupil:not-to-be-seen");
    for arguments in [&["create", "-v"][..], &["deploy", "-v", "-o", "json"], &["status", "-o", "json"], &["report"]] {
        sandbox.run(arguments).ok().says_not("not-to-be-seen").says_not(&encoded);
    }
    assert_eq!(pulls_with(&sandbox, "deployment/web"), format!("mine {SECRET}"));
    for run in std::fs::read_dir(sandbox.state_directories()[0].join("runs")).unwrap() {
        let events = std::fs::read_to_string(run.unwrap().path()).unwrap();
        assert!(!events.contains("not-to-be-seen") && !events.contains(&encoded), "{events}");
    }
}
