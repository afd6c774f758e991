use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use rustix::process::Signal;

use crate::{
    running::{eventually, kill},
    sandbox::Sandbox,
};

fn secrets(sandbox: &Sandbox) -> BTreeSet<String> {
    let text = sandbox
        .kubectl("get secrets -A --ignore-not-found -o jsonpath={range.items[*]}{.metadata.uid}{.data}{\"\\n\"}{end}");
    text.lines().map(str::to_owned).collect()
}

/// Kills `create` once it has recorded `events` events; returns whether it lived that long.
fn create_and_kill_after(sandbox: &Sandbox, events: usize) -> bool {
    let mut create = sandbox.spawn(&["create"]);
    let recorded = || sandbox.last_run().map_or(0, |log| log.lines().count());
    let reached = eventually("an event", || {
        let ended = create.has_ended();
        (ended || recorded() >= events).then_some(!ended)
    });
    if reached {
        create.kill();
    }
    reached
}

/// Has every moment of `create` whose number is `of` modulo `every` be its last, and sees each repaired.
fn killed_at_moments(of: usize, every: usize) -> usize {
    let sandbox = Sandbox::shipped();
    let mut moments = 0;
    for events in (of..).step_by(every) {
        if !create_and_kill_after(&sandbox, events) {
            break;
        }
        moments += 1;
        let has_api = sandbox.path(".orchestrator/microservices/kubeconfig").exists();
        let before = if has_api { secrets(&sandbox) } else { BTreeSet::new() };
        let again = sandbox.run(&["create"]);
        assert_eq!(again.code, Some(0), "after event {events}: {again}");
        sandbox.run(&["status"]).ok();
        let after = secrets(&sandbox);
        assert!(before.is_subset(&after), "after event {events}");
        sandbox.run(&["destroy", "--yes"]).ok();
        assert!(!sandbox.path(".orchestrator").exists());
    }
    moments
}

#[test]
fn create_that_was_killed_is_continued_even_moments() {
    assert!(killed_at_moments(0, 6) >= 10);
}

#[test]
fn create_that_was_killed_is_continued_odd_moments() {
    assert!(killed_at_moments(3, 6) >= 10);
}

#[test]
fn create_that_was_killed_again_and_again_ends_well() {
    let sandbox = Sandbox::shop();
    for milliseconds in (10..600).step_by(40) {
        let mut create = sandbox.spawn(&["create"]);
        std::thread::sleep(Duration::from_millis(milliseconds));
        if create.has_ended() {
            break;
        }
        create.kill();
    }
    sandbox.run(&["create"]).ok();
    sandbox.run(&["status"]).ok();
}

#[test]
fn a_rehearsal_that_was_killed_is_stopped_and_create_brings_it_back() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    let before = secrets(&sandbox);
    sandbox.kill_rehearsals();
    sandbox.run(&["status"]).exits(1).says("shop: stopped");
    sandbox.run(&["deploy"]).exits(3).says("next: orchestrator start");
    sandbox.run(&["create"]).ok();
    sandbox.run(&["status"]).ok();
    assert_eq!(secrets(&sandbox), before);

    sandbox.kill_rehearsals();
    sandbox.run(&["start"]).ok();
    sandbox.run(&["status"]).ok();
    assert_eq!(secrets(&sandbox), before);
}

#[test]
fn a_rehearsal_that_is_killed_during_create_ends_it_with_a_way_on() {
    let sandbox = Sandbox::shipped();
    for step in ["reach-machines", "start-first-server", "await-nodes", "apply-manifests", "wait-for-rollout"] {
        let create = sandbox.spawn(&["create"]);
        eventually(step, || sandbox.last_run().filter(|log| log.contains(step)));
        for endpoint in sandbox.rehearsals() {
            kill(endpoint.pid, Signal::KILL);
        }
        let ended = create.wait();
        assert!(matches!(ended.code, Some(4..=8)), "{step}: {ended}");
        sandbox.run(&["create"]).ok();
        sandbox.run(&["status"]).ok();
        sandbox.run(&["destroy", "--yes"]).ok();
    }
}

#[test]
fn an_acknowledged_write_survives_the_death_of_the_rehearsal() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    let acknowledged = Mutex::new(Vec::new());
    let write = &|writer: usize, round: usize| {
        for number in 0.. {
            let name = format!("kept-{writer}-{round}-{number}");
            if sandbox.try_kubectl(&format!("create configmap {name} --from-literal=a=b")).code != Some(0) {
                return;
            }
            acknowledged.lock().unwrap().push(name);
        }
    };
    for round in 1..=3 {
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2).map(|writer| scope.spawn(move || write(writer, round))).collect();
            eventually("writes", || (acknowledged.lock().unwrap().len() >= round * 6).then_some(()));
            sandbox.kill_rehearsals();
            for writer in writers {
                writer.join().unwrap();
            }
        });
        sandbox.run(&["start"]).ok();
    }
    let kept = sandbox.kubectl("get configmaps -o name");
    let lost: Vec<_> = acknowledged.into_inner().unwrap().into_iter().filter(|name| !kept.contains(name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
