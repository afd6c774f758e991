use crate::sandbox::Sandbox;

#[test]
fn every_problem_of_the_configuration_is_told_before_anything_is_touched() {
    let sandbox = Sandbox::shop();
    sandbox.edit("orchestrator.toml", "name = \"shop\"\nagents = 1", "name = \"Shop!\"\nserverz = 1\nagents = \"two\"");
    let ran = sandbox.run(&["create"]).exits(2);
    let ran = ran.says("Shop!").says("serverz").says("did you mean").says("\"two\"").says("orchestrator.toml:4");
    assert_eq!(ran.stdout, "");
    assert!(!sandbox.path(".orchestrator").exists());
    for command in ["status", "plan", "deploy", "stop", "start"] {
        sandbox.run(&[command]).exits(2).says("serverz");
    }
}

#[test]
fn every_problem_of_the_manifests_is_told_before_anything_is_touched() {
    let sandbox = Sandbox::shop();
    sandbox.edit("shop/web.yaml", "kind: Deployment", "kind: [");
    sandbox.edit("shop/database.yaml", "kind: StatefulSet", "kin: StatefulSet");
    let ran = sandbox.run(&["create"]).exits(2).says("error[CFG-004]").says("web.yaml").says("database.yaml");
    assert_eq!(ran.stdout, "");
    assert!(!sandbox.path(".orchestrator").exists());
}

#[test]
fn a_stack_without_files_is_refused() {
    let sandbox = Sandbox::shop();
    sandbox.edit("orchestrator.toml", "manifests = \"shop\"", "manifests = \"nowhere\"");
    sandbox.run(&["create"]).exits(2).says("nowhere");
    assert!(!sandbox.path(".orchestrator").exists());
}

#[test]
fn a_stack_that_is_not_configured_is_refused() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["deploy", "shpo"]).says("there is no stack `shpo`").says("`shop`");
    assert!(!sandbox.path(".orchestrator").exists());
}

#[test]
fn without_a_configuration_it_says_where_it_looked() {
    let sandbox = Sandbox::empty();
    sandbox.run(&["create"]).exits(2).says("error[CFG-002]: there is no orchestrator.toml in this folder or one above");
    sandbox.run(&["create", "-c", "x/y.toml"]).exits(2).says("x/y.toml");
    sandbox.run(&["doctor"]).exits(1).says("there is no orchestrator.toml");
}

#[test]
fn the_configuration_is_found_from_a_folder_below() {
    let sandbox = Sandbox::shop();
    let mut command = sandbox.command(&["plan"]);
    command.current_dir(sandbox.path("shop"));
    sandbox.start(command).wait().ok().says("+ machine").says_not("nothing to change");
    let mut command = sandbox.command(&["create"]);
    command.current_dir(sandbox.path("shop"));
    sandbox.start(command).wait().ok();
    assert!(sandbox.path(".orchestrator/shop/kubeconfig").is_file());
    assert!(!sandbox.path("shop/.orchestrator").exists());
}

#[test]
fn a_cluster_stays_with_the_provider_that_made_it() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    let refused = sandbox.run(&["create", "--provider", "vagrant"]).exits(2);
    refused.says("CFG-008").says("was made by provider `rehearsal`").says("orchestrator destroy");
    sandbox.run(&["status"]).ok();
}

#[test]
fn a_provider_that_is_not_there_yet_is_refused() {
    let sandbox = Sandbox::shop();
    let ran = sandbox.run(&["create", "--provider", "ssh"]).exits(2);
    ran.says("provider");
    assert!(!sandbox.path(".orchestrator").exists());
}

#[test]
fn a_command_line_that_cannot_be_understood() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["craete"]).exits(2).says("create");
    sandbox.run(&["create", "--timeout", "soon"]).exits(2).says("--timeout");
    sandbox.run(&["create", "-q", "-v"]).exits(2);
}

#[test]
fn what_needs_a_cluster_says_that_there_is_none() {
    let sandbox = Sandbox::shop();
    for command in [&["deploy"][..], &["undeploy"], &["start"], &["stop"], &["kubeconfig"], &["logs", "web"]] {
        let ran = sandbox.run(command).exits(3).says("error[PRE-003]: there is no cluster `shop`");
        assert_eq!(ran.next(), "orchestrator create");
        assert!(!sandbox.path(".orchestrator").exists(), "{command:?}");
    }
    sandbox.run(&["create"]).ok();
    sandbox.run(&["stop"]).ok();
    for command in [&["deploy"][..], &["undeploy"], &["logs", "web"]] {
        let ran = sandbox.run(command).exits(3).says("cluster `shop` is stopped");
        assert_eq!(ran.next(), "orchestrator start", "{command:?}");
    }
}
