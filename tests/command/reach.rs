use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::sandbox::Sandbox;

const FOREIGN: &str = "apiVersion: v1
kind: Config
current-context: work
clusters: [{ name: work, cluster: { server: \"https://work.example:6443\" } }]
contexts: [{ name: work, context: { cluster: work, user: me } }]
users: [{ name: me, user: { token: secret } }]
";

#[test]
fn the_kubeconfig_is_merged_and_taken_out_again() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    let printed = sandbox.run(&["kubeconfig"]).ok().stdout;
    sandbox.write("printed", &printed);
    sandbox.run_line("kubectl --kubeconfig printed get nodes").ok().says("shop-agent-1");

    let own = sandbox.home().join(".kube/config");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, FOREIGN).unwrap();
    sandbox.run(&["kubeconfig", "--merge"]).ok().says("merged into");
    sandbox.run_line("kubectl config current-context").ok().says("shop");
    sandbox.run_line("kubectl config get-contexts").ok().says("work");
    sandbox.run_line("kubectl get nodes").ok().says("shop-server-1");
    let backups = || {
        fs::read_dir(own.parent().unwrap())
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect::<Vec<_>>()
    };
    assert!(
        backups().iter().any(|path| path != &own && fs::read_to_string(path).unwrap() == FOREIGN),
        "{:?}",
        backups()
    );
    sandbox.run(&["kubeconfig", "--merge"]).ok().says("already in");

    sandbox.run(&["destroy", "--yes"]).ok();
    let contexts = sandbox.run_line("kubectl config get-contexts").ok().says("work");
    contexts.says_not("shop");
}

#[test]
fn logs_of_nodes_and_workloads() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    sandbox.run(&["logs", "shop-server-1"]).ok().says("k3s is up and running");
    assert_ne!(sandbox.run(&["logs", "database"]).ok().stdout, "");
    assert_ne!(sandbox.run(&["logs", "statefulset/database"]).ok().stdout, "");
    sandbox.run(&["logs", "web"]).ok().says("web-");
    let missing = sandbox.run(&["logs", "wbe"]).exits(3).says("there is no node, workload or pod `wbe`");
    sandbox.run_line(missing.next()).ok();

    for target in ["web", "shop-agent-1"] {
        let mut follow = sandbox.spawn(&["logs", target, "-f"]);
        follow.until_it_says("\n");
        assert!(!follow.has_ended(), "{target}");
        follow.signal(Signal::INT);
        follow.wait().ok();
    }
}

#[test]
fn doctor_names_what_is_wrong_and_its_fix() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["doctor"]).ok().says("cluster shop is absent");
    sandbox.run(&["create"]).ok();
    sandbox.run(&["doctor"]).ok().says("cluster shop is running");
    sandbox.kubectl("scale deployment web -n shop --replicas 0");
    sandbox.run(&["doctor"]).exits(1).says("problem").says("fix: orchestrator create").says("differs");
    let findings = sandbox.run(&["doctor", "-o", "json"]).exits(1).json();
    assert!(findings["findings"].as_array().unwrap().iter().any(|finding| finding["level"] == "problem"));
}

#[test]
fn a_run_is_replayed_with_its_times() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["report"]).exits(3).says("no run was recorded yet");
    sandbox.run(&["create"]).ok();
    sandbox.run(&["stop"]).ok();
    let list = sandbox.run(&["report", "--list"]).ok().stdout;
    let runs: Vec<_> = list.lines().collect();
    assert!(runs.len() == 2 && runs[0].ends_with("-create") && runs[1].ends_with("-stop"), "{list}");
    sandbox.run(&["report"]).ok().says("==> stop shop").says("Stop machines");
    let replayed = sandbox.run(&["report", runs[0]]).ok().says("==> create shop").says("SHARE").says("shop-agent-1");
    assert!(!replayed.stdout.contains('\u{1b}'), "{replayed}");
    let events = sandbox.run(&["report", runs[0], "-o", "json"]).ok();
    assert_eq!(events.finished()["message"], "cluster created");
    sandbox.run(&["report", "19990101"]).exits(3).says("there is no recorded run `19990101`");
}

#[test]
fn schema_and_completions() {
    let sandbox = Sandbox::empty();
    let schema: Value = sandbox.run(&["schema"]).ok().json();
    assert!(schema["properties"]["cluster"].is_object());
    for shell in ["bash", "zsh", "fish"] {
        sandbox.run(&["completions", shell]).ok().says("kubeconfig");
    }
}
