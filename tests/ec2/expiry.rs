use serde_json::Value;

use crate::{
    account::Account,
    cluster::{Cluster, INSIDE, Wanted},
    hypervisor::Hypervisor,
    instance::Nature,
    proxy::Delays,
    running::eventually,
};

#[test]
fn instances_end_by_themselves_at_their_time() {
    let account = Account::new();
    let settings = format!("{INSIDE}ttl = \"1h\"\n");
    let cluster =
        Cluster::new(&account, &Wanted { name: "shop", agents: 1, settings: &settings, delays: Delays::default() });
    let _hypervisor = Hypervisor::start(&account, cluster.proxy.clone(), Nature::Honest);
    cluster.run(&["create"]).ok();
    let expires: jiff::Timestamp = account.alive()[0].tags["orchestrator/expires"].parse().unwrap();
    for node in ["shop-server-1", "shop-agent-1"] {
        let timers =
            cluster.run(&["ssh", node, "--", "systemctl", "list-timers", "orchestrator-expiry.timer", "-o", "json"]);
        let timers: Value = timers.ok().json();
        assert_eq!(timers[0]["next"], expires.as_microsecond(), "{timers}");
        // What the timer does in an hour.
        cluster.run(&["ssh", node, "--", "sudo", "systemctl", "start", "--no-block", "orchestrator-expiry"]).ok();
    }
    eventually("the instances to end", || account.alive().is_empty().then_some(()));
    cluster.run(&["destroy", "--yes"]).ok();
    assert_eq!(cluster.left(), [""; 0]);
}
