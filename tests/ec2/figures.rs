use std::time::{Duration, Instant};

use crate::{
    account::Account,
    cluster::{Cluster, INSIDE, Wanted},
    proxy::{Call, Delays},
    sweep::counted,
};

/// From the first call to the last one that came.
fn took(calls: &[Call]) -> Duration {
    calls.last().unwrap().at - calls[0].at
}

/// Makes and ends a server and so many agents that do not answer; returns the calls of each.
fn measured(account: &Account, name: &str, agents: usize) -> [usize; 2] {
    let cluster = Cluster::new(account, &Wanted { name, agents, settings: INSIDE, delays: Delays::default() });
    cluster.create_instances();
    let create = cluster.proxy.calls();
    assert_eq!(account.places_in(name).len(), agents + 1);
    let began = Instant::now();
    cluster.run(&["destroy", "--yes"]).ok();
    let destroyed = began.elapsed();
    let destroy = cluster.proxy.calls().split_off(create.len());
    assert_eq!(cluster.left(), [""; 0]);
    println!("1 + {agents} instances");
    println!("  create:  {} calls in {:.1?}: {:?}", create.len(), took(&create), counted(&create));
    println!("  destroy: {} calls in {destroyed:.1?}: {:?}", destroy.len(), counted(&destroy));
    [create.len(), destroy.len()]
}

#[test]
fn fifty_instances_take_as_many_calls_as_three() {
    let account = Account::new();
    let [create, destroy] = measured(&account, "few", 2);
    let [create_many, destroy_many] = measured(&account, "many", 49);
    // A look more, where moto takes longer for more instances.
    assert!(create_many <= create + 2, "{create_many} calls instead of {create}");
    assert!(destroy_many <= destroy + 2, "{destroy_many} calls instead of {destroy}");
}
