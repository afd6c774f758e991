use std::{fs, net::TcpStream, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;

use crate::{
    running::{eventually, is_alive},
    sandbox::Sandbox,
};

/// What must be the same before and after: the uid and, of a Secret, the data of every object that lasts.
fn lasting(sandbox: &Sandbox) -> Vec<String> {
    let kinds = "namespaces,deployments,statefulsets,persistentvolumeclaims,persistentvolumes,secrets,services";
    let text = sandbox.kubectl(&format!("get {kinds} -A -o json"));
    let list: Value = serde_json::from_str(&text).unwrap();
    let of = |item: &Value| {
        let metadata = &item["metadata"];
        format!("{} {} {} {}", item["kind"], metadata["name"], metadata["uid"], item["data"])
    };
    list["items"].as_array().unwrap().iter().map(of).collect()
}

fn modes(path: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(path).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
        if mode != wanted {
            found.push(format!("{mode:o} {}", entry.path().display()));
        }
        if metadata.is_dir() {
            modes(&entry.path(), found);
        }
    }
}

#[test]
fn from_nothing_to_a_cluster_and_back() {
    let sandbox = Sandbox::shipped();

    let created = sandbox.run(&["create"]).ok();
    assert_eq!(created.stdout, "cluster created\n", "{created}");
    let pods = sandbox.kubectl("get pods -n microservices --no-headers");
    assert!(pods.lines().count() == 6 && pods.lines().all(|line| line.contains("Running")), "{pods}");

    sandbox.run(&["status"]).ok();
    sandbox.run(&["plan"]).ok().says("nothing to change");
    let again = sandbox.run(&["create", "-o", "json"]).ok();
    assert_eq!(again.finished()["changed"], false, "{again}");
    let outcomes: Vec<_> = again.events().into_iter().filter(|event| event["outcome"] == "changed").collect();
    assert!(outcomes.is_empty(), "{outcomes:?}");

    let before = lasting(&sandbox);
    assert_eq!(sandbox.run(&["stop"]).ok().last_line(), "cluster stopped");
    assert!(sandbox.rehearsals().is_empty());
    let stopped = sandbox.run(&["status"]).exits(1).says("microservices: stopped");
    stopped.says_not("it does not exist");
    assert_eq!(sandbox.run(&["stop"]).ok().last_line(), "cluster stopped");

    assert_eq!(sandbox.run(&["start"]).ok().last_line(), "cluster started");
    sandbox.run(&["status"]).ok();
    assert_eq!(lasting(&sandbox), before);
    assert_eq!(sandbox.run(&["start", "-o", "json"]).ok().finished()["changed"], false);

    let rehearsal = sandbox.rehearsals().pop().unwrap();
    assert_eq!(sandbox.run(&["destroy", "--yes"]).ok().last_line(), "cluster destroyed");
    eventually("the process to end", || (!is_alive(rehearsal.pid)).then_some(()));
    assert!(TcpStream::connect(("127.0.0.1", rehearsal.port)).is_err());
    assert!(!sandbox.path(".orchestrator").exists());
    assert_eq!(sandbox.run(&["destroy", "--yes"]).ok().last_line(), "cluster destroyed");
    assert!(!sandbox.path(".orchestrator").exists());
}

#[test]
fn only_its_owner_can_read_the_state() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    let root = sandbox.path(".orchestrator");
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
    let mut wrong = Vec::new();
    modes(&root.join("shop"), &mut wrong);
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn status_is_one_document() {
    let sandbox = Sandbox::shop();
    let absent = sandbox.run(&["status", "-o", "json"]).exits(1).json();
    assert_eq!(absent["state"], "absent");
    assert_eq!(absent["machines"][0]["state"], Value::Null);
    sandbox.run(&["create", "-q"]).ok();
    let status = sandbox.run(&["status", "-o", "json"]).ok();
    let _redacted = sandbox.redacted();
    insta::assert_json_snapshot!("status", status.json());
}

#[test]
fn destroy_asks_for_the_name_on_a_terminal() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    sandbox.run(&["destroy"]).exits(2).says("there is no terminal to ask on").says("next: orchestrator destroy --yes");
    assert_eq!(sandbox.rehearsals().len(), 1);

    let refused = sandbox.run_on_terminal(&["destroy"], "yes\n").exits(2);
    refused.says("Type its name to go on").says("the name was not typed");
    assert_eq!(sandbox.rehearsals().len(), 1);

    sandbox.run_on_terminal(&["destroy"], "shop\n").ok().says("cluster destroyed");
    assert!(!sandbox.path(".orchestrator").exists());
}

#[test]
fn destroy_leaves_nothing_when_the_state_was_lost() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    let rehearsal = sandbox.rehearsals().pop().unwrap();
    fs::remove_file(sandbox.path(".orchestrator/shop/state.json")).unwrap();
    sandbox.run(&["destroy", "--yes"]).ok();
    eventually("the process to end", || (!is_alive(rehearsal.pid)).then_some(()));
    assert!(!sandbox.path(".orchestrator").exists());

    sandbox.run(&["create"]).ok();
    let rehearsal = sandbox.rehearsals().pop().unwrap();
    fs::remove_dir_all(sandbox.path(".orchestrator")).unwrap();
    eventually("the process to end", || (!is_alive(rehearsal.pid)).then_some(()));
    sandbox.run(&["destroy", "--yes"]).ok();
    sandbox.run(&["create"]).ok();
}
