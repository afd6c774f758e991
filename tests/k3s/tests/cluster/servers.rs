use http::Method;
use k3s_stand_in::{
    cluster_access::Access,
    members::{Member, Roster},
    supervisor::JOIN,
};

use crate::machine::{Machine, SECRET, contains, within};

const CONFIG_MAP: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}"#;
const KEPT: &str = "/api/v1/namespaces/default/configmaps/kept";

fn member(name: &str, first: Option<&Machine>) -> Machine {
    let machine = Machine::new(name);
    let place = first.map_or("cluster-init: true".into(), |first| format!("server: {}", first.url()));
    machine.configure(&format!("bind-address: {}\ntoken: {SECRET}\n{place}\n", machine.address));
    machine
}

/// Three servers that are all members.
fn three() -> [Machine; 3] {
    let mut first = member("server-1", None);
    first.start("server");
    first.logs("k3s is up and running");
    let mut second = member("server-2", Some(&first));
    second.start("server");
    second.logs("k3s is up and running");
    let mut third = member("server-3", Some(&first));
    third.start("server");
    third.logs("k3s is up and running");
    for name in ["server-1", "server-2", "server-3"] {
        third.awaits_ready(name);
    }
    [first, second, third]
}

#[test]
fn the_cluster_outlives_one_server_and_not_two() {
    let [mut first, second, mut third] = three();
    let mut agent = Machine::agent("agent-1", &first, &first.token());
    agent.start("agent");
    second.awaits_ready("agent-1");
    second.ask(Method::POST, "/api/v1/namespaces/default/configmaps", CONFIG_MAP).unwrap();
    let saved = first.run(&["etcd-snapshot", "save", "--name", "before"]);
    contains(&String::from_utf8(saved.stderr).unwrap(), "Snapshot before-server-1-");
    contains(&String::from_utf8(first.run(&["etcd-snapshot", "ls"]).stdout).unwrap(), "\nbefore-server-1-");
    first.kill();
    within(20, "another server leads", || third.ask(Method::GET, KEPT, "").ok());
    within(20, "the dead server's node is lost", || (third.ready("server-1") == "Unknown").then_some(()));
    assert_eq!(second.ready("agent-1"), "True");
    third.kill();
    within(20, "there is no majority", || second.ask(Method::GET, KEPT, "").err());
    first.start("server");
    within(20, "there is a majority again", || first.ask(Method::GET, KEPT, "").ok());
    second.awaits_ready("server-1");
    first.kill();
    third.start("server");
    within(20, "the others go on", || third.ask(Method::GET, KEPT, "").ok());
    agent.kill();
    agent.start("agent");
    let ups = |agent: &Machine| agent.log().matches("k3s agent is up and running").count();
    let before = ups(&agent);
    within(20, "the agent comes in through another server", || (ups(&agent) > before).then_some(()));
}

#[test]
fn a_deleted_server_is_a_member_no_more() {
    let [first, second, mut third] = three();
    second.ask(Method::DELETE, "/api/v1/nodes/server-3", "").unwrap();
    contains(
        &third.ends(),
        "level=fatal msg=\"this node has been removed from the cluster please restart k3s to rejoin the cluster\"",
    );
    within(20, "the others go on", || first.ask(Method::GET, "/api/v1/nodes", "").ok());
    third.start("server");
    third.logs("tombstone file has been detected, removing data dir to rejoin the cluster");
    first.awaits_ready("server-3");
    third.kill();
    second.ask(Method::DELETE, "/api/v1/nodes/server-3", "").unwrap();
    third.start("server");
    contains(&third.ends(), "this server is a not a member of the etcd cluster. Found [");
}

#[test]
fn servers_that_join_together_are_members_after_a_few_attempts() {
    let mut first = member("server-1", None);
    first.start("server");
    first.logs("k3s is up and running");
    let mut others = ["server-2", "server-3"].map(|name| member(name, Some(&first)));
    within(40, "both are members", || {
        for machine in &mut others {
            if !machine.is_running() {
                machine.start("server");
            }
        }
        ["server-2", "server-3"].iter().all(|name| first.ready(name) == "True").then_some(())
    });
}

#[test]
fn nobody_joins_while_another_server_learns() {
    let mut first = member("server-1", None);
    first.start("server");
    first.logs("k3s is up and running");
    let own: Roster = serde_json::from_str(&first.read("var/lib/rancher/k3s/server/db/etcd/members.json")).unwrap();
    let silent = Member { id: "silent".into(), node: "silent".into(), ..own.members[0].clone() };
    let (url, token) = (first.url(), first.token());
    let join = async {
        let access = Access::open(&url, &url, &token, "server").await.unwrap();
        access.answer(Method::POST, JOIN, &[], serde_json::to_vec(&silent).unwrap()).await.unwrap().status()
    };
    assert_eq!(tokio::runtime::Runtime::new().unwrap().block_on(join), 200);
    let mut second = member("server-2", Some(&first));
    second.start("server");
    contains(&second.ends(), "joining etcd cluster: etcdserver: too many learner members in cluster");
}

#[test]
fn a_server_does_not_join_with_a_wrong_token_or_other_settings() {
    let mut first = member("server-1", None);
    first.start("server");
    first.logs("k3s is up and running");
    let mut second = member("server-2", Some(&first));
    second.configure(&format!("bind-address: {}\ntoken: wrong\nserver: {}\n", second.address, first.url()));
    second.start("server");
    contains(&second.ends(), "401 Unauthorized");
    let rest = "secrets-encryption: true\ndisable: traefik";
    second.configure(&format!("bind-address: {}\ntoken: {SECRET}\nserver: {}\n{rest}\n", second.address, first.url()));
    second.start("server");
    contains(&second.ends(), "critical configuration value mismatch between servers: Disables, EncryptSecrets");
    second.configure(&format!("bind-address: {}\ntoken: x\nserver: https://127.0.0.1:1\n", second.address));
    second.start("server");
    contains(&second.ends(), "dial tcp 127.0.0.1:1: connect: connection refused");
}
