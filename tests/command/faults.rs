use std::time::{Duration, Instant};

use crate::{ran::Ran, sandbox::Sandbox};

/// How soon a cause must be told once it can be seen; a busy machine is slow.
const SOON: Duration = Duration::from_secs(60);

/// What a fault leads to.
struct Case {
    fault: &'static str,
    exit_code: i32,
    id: &'static str,
    /// Words of the failure: the pod or machine, and the cause.
    says: &'static [&'static str],
}

#[track_caller]
fn fails(sandbox: &Sandbox, case: &Case) -> Ran {
    let started = Instant::now();
    let failed = sandbox.run(&["create"]).exits(case.exit_code);
    assert!(started.elapsed() < SOON, "{:?}: {failed}", started.elapsed());
    let failed = case.says.iter().fold(failed, |failed, words| failed.says(words));
    failed.says(&format!("error[{}]", case.id))
}

/// Orders the fault, sees `create` fail with its cause, runs the command it names, takes the fault away and sees
/// `create` heal the cluster.
#[track_caller]
fn case(case: &Case) {
    let sandbox = Sandbox::shop();
    let configured = sandbox.read("orchestrator.toml");
    sandbox.write("orchestrator.toml", &format!("{configured}\n[rehearsal.faults]\n{}\n", case.fault));
    let failed = fails(&sandbox, case);
    match failed.next().split_once(", then ") {
        Some((_, again)) => sandbox.run_line(again).exits(case.exit_code),
        None => sandbox.run_line(failed.next()).ok(),
    };
    assert_eq!(sandbox.rehearsals().len(), 1, "the cluster stays");
    sandbox.run(&["status"]).exits(1);

    let json = sandbox.run(&["create", "-o", "json"]).exits(case.exit_code);
    let finished = json.finished();
    assert_eq!(finished["ok"], false, "{json}");
    assert_eq!(finished["exit_code"], case.exit_code, "{json}");
    assert_eq!(finished["failure"]["id"], case.id, "{json}");

    sandbox.write("orchestrator.toml", &configured);
    sandbox.run(&["create"]).ok();
    sandbox.run(&["status"]).ok();
}

#[test]
fn an_image_that_cannot_be_pulled() {
    case(&Case { fault: "image-pull = [\"web\"]", exit_code: 8, id: "DEP-001", says: &["pod `web-", "nginx:1.27"] });
}

#[test]
fn a_container_that_ends_again_and_again() {
    case(&Case {
        fault: "crash-loop = [\"web\"]",
        exit_code: 8,
        id: "DEP-002",
        says: &["pod `web-", "container `web`"],
    });
}

#[test]
fn a_pod_that_never_becomes_ready() {
    case(&Case { fault: "not-ready = [\"database\"]", exit_code: 8, id: "DEP-004", says: &["pod `database-0`"] });
}

#[test]
fn a_pod_that_no_node_can_take() {
    case(&Case { fault: "unschedulable = [\"web\"]", exit_code: 8, id: "DEP-003", says: &["pod `web-"] });
}

#[test]
fn a_machine_that_never_joins() {
    case(&Case { fault: "never-join = [\"agent-1\"]", exit_code: 6, id: "K3S-003", says: &["shop-agent-1"] });
}

#[test]
fn a_server_whose_unit_fails() {
    case(&Case {
        fault: "unit-fails = [\"server-1\"]",
        exit_code: 6,
        id: "PRE-011",
        says: &["shop-server-1", "memory cgroup"],
    });
}

#[test]
fn on_failure_destroy_leaves_nothing() {
    let sandbox = Sandbox::shop().configured("[rehearsal.faults]\ncrash-loop = [\"web\"]");
    sandbox.run(&["create", "--on-failure", "destroy"]).exits(8).says("error[DEP-002]");
    assert!(sandbox.rehearsals().is_empty());
    assert!(!sandbox.path(".orchestrator").exists());
}
