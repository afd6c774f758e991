use crate::sandbox::Sandbox;

#[test]
fn another_name_makes_another_cluster_beside() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    sandbox.run(&["create", "--cluster", "other"]).ok();
    assert_eq!(sandbox.state_directories().len(), 2);
    assert_eq!(sandbox.rehearsals().len(), 2);
    sandbox.run(&["status", "--cluster", "other"]).ok().says("other: running").says("other-server-1");
    sandbox.run(&["stop", "--cluster", "other"]).ok().says("next: orchestrator --cluster other start");
    sandbox.run(&["status"]).ok();
    sandbox.run(&["destroy", "--yes", "--cluster", "other"]).ok();
    sandbox.run(&["status"]).ok();
    sandbox.run(&["destroy", "--yes"]).ok();
    assert!(!sandbox.path(".orchestrator").exists());
}

#[test]
fn agents_come_and_go_with_their_number() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    sandbox.edit("orchestrator.toml", "agents = 1", "agents = 3");
    sandbox.run(&["status"]).exits(1).says("machine shop-agent-3 does not exist");
    sandbox.run(&["plan"]).ok().says("shop-agent-2").says("shop-agent-3");
    sandbox.run(&["create"]).ok();
    sandbox.run(&["status"]).ok();
    assert_eq!(sandbox.kubectl("get nodes --no-headers").lines().count(), 4);

    sandbox.edit("orchestrator.toml", "agents = 3", "agents = 1");
    sandbox.run(&["status"]).exits(1).says("machine shop-agent-3 is no longer wanted");
    sandbox.run(&["plan"]).ok().says("- machine shop-agent-2");
    sandbox.run(&["create"]).ok();
    sandbox.run(&["status"]).ok().says_not("agent-2");
    assert_eq!(sandbox.kubectl("get nodes --no-headers").lines().count(), 2);
    sandbox.run(&["plan"]).ok().says("nothing to change");
}

#[test]
fn three_servers_work() {
    let sandbox = Sandbox::shop();
    sandbox.edit("orchestrator.toml", "agents = 1", "servers = 3\nagents = 2");
    sandbox.run(&["create"]).ok();
    sandbox.run(&["status"]).ok();
    let nodes = sandbox.kubectl("get nodes --no-headers");
    assert_eq!(nodes.lines().filter(|line| line.contains("control-plane")).count(), 3, "{nodes}");
    sandbox.run(&["stop"]).ok();
    sandbox.run(&["start"]).ok();
    sandbox.run(&["status"]).ok();
}

#[test]
fn an_agent_that_holds_data_is_not_removed() {
    let sandbox = Sandbox::shop();
    let pinned = "    spec:\n      nodeSelector: { kubernetes.io/hostname: shop-agent-1 }\n      containers:";
    sandbox.edit("shop/database.yaml", "    spec:\n      containers:", pinned);
    sandbox.run(&["create"]).ok();
    sandbox.edit("orchestrator.toml", "agents = 1", "agents = 0");
    sandbox.run(&["create"]).exits(6).says("error[K3S-007]").says("shop-agent-1").says("shop/data-database-0");
    sandbox.run(&["undeploy", "--volumes"]).ok();
    sandbox.edit("shop/database.yaml", pinned, "    spec:\n      containers:");
    sandbox.run(&["create"]).ok();
    sandbox.run(&["status"]).ok().says_not("agent");
}
