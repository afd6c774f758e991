use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{ran::Ran, running::Running, running::eventually, sandbox::Sandbox};

const SLOW: &str = "[rehearsal.faults]\nslow-boot = { agent-1 = \"100s\" }";

/// A `create` that waits for a machine to boot.
fn waiting(sandbox: &Sandbox) -> Running {
    let create = sandbox.spawn(&["create"]);
    eventually("reach-machines", || sandbox.last_run().filter(|log| log.contains("is booting")));
    create
}

fn is_interrupted(ran: Ran) {
    let ran = ran.exits(130).says("error[INT-001]: interrupted").says("run the same command again");
    assert_eq!(ran.stdout, "");
    ran.says_not("Stage K3s");
}

#[test]
fn the_first_ctrl_c_ends_the_wait_and_says_how_to_go_on() {
    for signal in [Signal::INT, Signal::TERM] {
        let sandbox = Sandbox::shop().configured(SLOW);
        let create = waiting(&sandbox);
        let asked = Instant::now();
        create.signal(signal);
        is_interrupted(create.wait());
        assert!(asked.elapsed() < Duration::from_secs(20));

        sandbox.edit("orchestrator.toml", SLOW, "");
        sandbox.run(&["create"]).ok();
    }
}

#[test]
fn the_second_ctrl_c_ends_at_once() {
    let sandbox = Sandbox::shop().configured(SLOW);
    let create = waiting(&sandbox);
    create.signal(Signal::INT);
    create.signal(Signal::TERM);
    create.wait().exits(130);
    sandbox.run(&["status"]).exits(1);
}

#[test]
fn a_timeout_says_what_was_last_seen() {
    let sandbox = Sandbox::shop().configured(SLOW);
    let ran = sandbox.run(&["create", "--timeout", "3s"]).exits(9);
    ran.says("error[TIM-001]: `--timeout 3s` passed").says("last seen: ").says("booting");
}

#[test]
fn a_second_run_names_the_first() {
    let sandbox = Sandbox::shop().configured(SLOW);
    let create = waiting(&sandbox);
    let holder = format!("process {} (`orchestrator create`) is working on this cluster", create.pid());
    sandbox.run(&["destroy", "--yes"]).exits(10).says("error[LCK-001]").says(&holder);
    sandbox.run(&["create"]).exits(10).says(&holder);
    sandbox.run(&["status"]).exits(1);
    create.kill();
    sandbox.run(&["destroy", "--yes"]).ok();
}
