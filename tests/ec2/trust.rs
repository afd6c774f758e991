use crate::{
    account::Account,
    cluster::{Cluster, INSIDE, Wanted},
    hypervisor::Hypervisor,
    instance::Nature,
    proxy::Delays,
};

#[test]
fn a_machine_with_another_host_key_is_told_nothing() {
    let account = Account::new();
    let cluster =
        Cluster::new(&account, &Wanted { name: "shop", agents: 1, settings: INSIDE, delays: Delays::default() });
    let _hypervisor = Hypervisor::start(&account, cluster.proxy.clone(), Nature::Impostor);
    let ran = cluster
        .run(&["create"])
        .exits(5)
        .says("SSH-003")
        .says("find out first what answers at")
        .says_not("cluster created");
    println!("{ran}");
    cluster.run(&["destroy", "--yes"]).ok();
    assert_eq!(cluster.left(), [""; 0]);
}
