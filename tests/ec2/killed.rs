use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::{
    account::Account,
    cluster::{Cluster, INSIDE, Wanted},
    hypervisor::Hypervisor,
    instance::Nature,
    proxy::{Delays, Fault},
    sweep::{Sweep, Turn, WHOLE},
};

/// Kills `create` and `destroy` at a call, and has the next run of each finish what was left.
fn is_finished(sweep: &Sweep, turn: &Turn, fault: Fault) {
    let cluster = sweep.cluster(&format!("killed-{}", turn.number));
    turn.breaks_create(&cluster, fault);
    cluster.create_instances();
    sweep.note(&cluster, "create");
    cluster.create_instances();
    sweep.is_whole(&cluster);
    turn.breaks_destroy(&cluster, fault);
    cluster.killed(&["destroy", "--yes"]);
    sweep.note(&cluster, "destroy");
    cluster.run(&["destroy", "--yes"]).ok();
    assert_eq!(cluster.left(), [""; 0], "{}", cluster.name);
}

#[test]
fn what_was_killed_before_a_call_is_finished_by_the_next_run() {
    Sweep::new().each_call(&["create", "destroy"], |sweep, turn| is_finished(sweep, turn, Fault::HangsBefore));
}

#[test]
fn what_was_killed_after_a_call_is_finished_by_the_next_run() {
    Sweep::new().each_call(&["create", "destroy"], |sweep, turn| is_finished(sweep, turn, Fault::HangsAfter));
}

#[test]
fn what_a_killed_create_made_is_removed_by_destroy() {
    Sweep::new().each_call(&["create"], |sweep, turn| {
        let cluster = sweep.cluster(&format!("ended-{}", turn.number));
        turn.breaks_create(&cluster, Fault::HangsAfter);
        cluster.create_instances();
        sweep.note(&cluster, "create");
        cluster.run(&["destroy", "--yes"]).ok();
        assert_eq!(cluster.left(), [""; 0], "{}", cluster.name);
    });
}

/// What is new is not seen for longer than a command takes.
const BLIND: Delays = Delays { change: Duration::from_millis(300), unseen: Duration::from_secs(6) };
/// The calls that make something, by their numbers among their like.
const MAKING: [(&str, usize); 3] = [("CreateSecurityGroup", 0), ("RunInstances", 0), ("RunInstances", 1)];

/// Kills `create` after each call that makes something, and has `then` follow while nobody sees what was made.
fn while_unseen(then: impl Fn(&Cluster<'_>) + Sync) {
    let account = Account::new();
    let before = account.resources();
    std::thread::scope(|scope| {
        for (action, number) in MAKING {
            let (account, then) = (&account, &then);
            scope.spawn(move || {
                let name = format!("{}-{number}", action.to_lowercase());
                let wanted = Wanted { name: &name, agents: 2, settings: INSIDE, delays: BLIND };
                let cluster = Cluster::new(account, &wanted);
                cluster.proxy.fault_of(action, number, Fault::HangsAfter);
                assert!(cluster.killed(&["create"]));
                cluster.proxy.heals();
                then(&cluster);
                assert_eq!(cluster.run(&["destroy", "--yes"]).ok().last_line(), "cluster destroyed");
                assert_eq!(cluster.left(), [""; 0], "{name}");
            });
        }
    });
    assert_eq!(account.resources(), before);
}

#[test]
fn what_was_made_and_is_not_seen_yet_is_not_made_again() {
    while_unseen(|cluster| {
        cluster.create_instances();
        assert_eq!(cluster.account.places_in(&cluster.name), WHOLE);
    });
}

#[test]
fn what_was_made_and_is_not_seen_yet_is_removed() {
    while_unseen(|_| {});
}

/// So many clusters of machines live at the same time.
const LANES: usize = 2;

#[test]
fn a_cluster_whose_making_was_killed_at_any_call_is_made_by_the_next_create() {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| kill_in_turn(&next));
        }
    });
}

/// Makes and ends a cluster again and again, each time killed at another call, until there is none left.
fn kill_in_turn(next: &AtomicUsize) {
    let account = Account::new();
    let before = account.resources();
    let delays = Delays { change: Duration::from_millis(500), unseen: Duration::from_millis(300) };
    let cluster = Cluster::new(&account, &Wanted { name: "shop", agents: 1, settings: INSIDE, delays });
    let _hypervisor = Hypervisor::start(&account, cluster.proxy.clone(), Nature::Honest);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        cluster.proxy.fault(number, Fault::HangsAfter);
        let killed = cluster.killed(&["create"]);
        let call = cluster.proxy.heals();
        assert_eq!(cluster.run(&["create"]).ok().last_line(), "cluster created");
        cluster.has_nodes(&["shop-agent-1", "shop-server-1"]);
        assert_eq!(account.places_in("shop"), ["agent 1 0", "server 1 0"]);
        cluster.proxy.fault(number, Fault::HangsAfter);
        cluster.killed(&["destroy", "--yes"]);
        cluster.proxy.heals();
        assert_eq!(cluster.run(&["destroy", "--yes"]).ok().last_line(), "cluster destroyed");
        assert_eq!(account.resources(), before);
        let Some(call) = call.filter(|_| killed) else { return };
        println!("killed at call {number}, {}", call.action);
    }
}
