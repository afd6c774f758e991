use std::{fs, os::unix::fs::PermissionsExt};

use http::Method;
use k3s_stand_in::token::Token;

use crate::machine::{Machine, SECRET, contains, within};

#[test]
fn a_server_and_an_agent_become_a_cluster() {
    let mut server = Machine::server("server-1");
    server.start("server");
    server.logs("k3s is up and running");
    let token = server.token();
    assert!(token.starts_with("K10") && token.ends_with(&format!("::server:{SECRET}")), "{token}");
    assert_eq!(server.read("var/lib/rancher/k3s/server/node-token").trim(), token);
    for file in
        ["etc/rancher/k3s/k3s.yaml", "var/lib/rancher/k3s/server/token", "var/lib/rancher/k3s/server/tls/server-ca.key"]
    {
        assert_eq!(fs::metadata(server.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    let mut agent = Machine::agent("Agent-1", &server, &token);
    let more = format!(
        "server: {}\ntoken: {token}\nnode-label: [tier=web]\nnode-taint: [dedicated=db:NoSchedule]\n",
        server.url()
    );
    agent.configure(&more);
    agent.start("agent");
    server.awaits_ready("server-1");
    server.awaits_ready("agent-1");
    let node = server.node("agent-1");
    assert_eq!(node["metadata"]["labels"]["tier"], "web");
    assert_eq!(node["spec"]["taints"][0]["key"], "dedicated");
    assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.33.5+k3s1");
    assert_eq!(node["status"]["addresses"][0]["address"], agent.address.to_string());
    let server_node = server.node("server-1");
    assert_eq!(server_node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"], "true");
    agent.logs("k3s agent is up and running");
    let ready = |server: &Machine| {
        let deployment = server.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns");
        (deployment["status"]["readyReplicas"] == 1).then_some(())
    };
    within(20, "coredns is ready", || ready(&server));

    agent.kill();
    within(20, "the silent node is lost", || (server.ready("agent-1") == "Unknown").then_some(()));
    agent.start("agent");
    server.awaits_ready("agent-1");
}

#[test]
fn strangers_learn_the_ca_and_nothing_else() {
    let mut server = Machine::server("server-1");
    server.start("server");
    server.logs("k3s is up and running");
    let ca = server.read("var/lib/rancher/k3s/server/tls/server-ca.crt");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = k3s_stand_in::http_client::Client::trusting(&server.url(), &server.url(), &ca).unwrap();
    let ask = |path: &str| {
        let answer = runtime.block_on(client.answer(Method::GET, path, &[], Vec::new())).unwrap();
        (answer.status().as_u16(), String::from_utf8(answer.into_body().to_vec()).unwrap())
    };
    assert_eq!(ask("/ping"), (200, "pong".into()));
    assert_eq!(ask("/cacerts"), (200, ca.clone()));
    for path in ["/readyz", "/version", "/api/v1/nodes", "/v1-k3s/config", "/v1-k3s/server-bootstrap"] {
        assert_eq!(ask(path).0, 401, "{path}");
    }
    assert!(server.ask(Method::GET, "/api/v1/nodes", "").is_ok());
}

#[test]
fn an_agent_with_the_wrong_token_says_so_and_goes_on_trying() {
    let mut server = Machine::server("server-1");
    server.start("server");
    server.logs("k3s is up and running");
    let hash = "0".repeat(64);
    let mut stranger = Machine::agent("agent-1", &server, &format!("K10{hash}::server:{SECRET}"));
    stranger.start("agent");
    stranger.logs(&format!("token CA hash does not match the Cluster CA certificate hash: {hash} != "));
    contains(&stranger.log(), "level=error msg=\"Failed to validate connection to cluster at https://127.");
    let mut wrong = Machine::agent("agent-2", &server, "wrong");
    wrong.start("agent");
    wrong.logs(
        "Waiting to retrieve agent configuration; server is not ready: failed to retrieve configuration from server",
    );
    contains(&wrong.log(), "401 Unauthorized");
    contains(&wrong.log(), "but the token does not include a CA hash");
    assert!(stranger.is_running() && wrong.is_running());
}

#[test]
fn an_agent_waits_for_its_server() {
    let mut server = Machine::server("server-1");
    let mut agent = Machine::agent("agent-1", &server, SECRET);
    agent.start("agent");
    agent.logs("Failed to validate connection to cluster at https://127.");
    contains(&agent.log(), "failed to get CA certs: Get \\\"https://127.0.0.1:6444/cacerts\\\": read tcp ");
    server.start("server");
    server.awaits_ready("agent-1");
}

#[test]
fn a_rebuilt_machine_is_let_in_when_its_node_was_deleted() {
    let mut server = Machine::server("server-1");
    server.start("server");
    let mut agent = Machine::agent("agent-1", &server, SECRET);
    agent.start("agent");
    server.awaits_ready("agent-1");
    agent.kill();
    let mut rebuilt = Machine::agent("agent-1", &server, SECRET);
    rebuilt.start("agent");
    rebuilt.logs("Node password rejected, duplicate hostname or contents of '");
    server.logs("unable to verify hash for node 'agent-1': hash does not match");
    server.ask(Method::DELETE, "/api/v1/nodes/agent-1", "").unwrap();
    within(20, "the rebuilt machine is the node", || {
        (server.node("agent-1")["status"]["addresses"][0]["address"] == rebuilt.address.to_string()).then_some(())
    });
    server.awaits_ready("agent-1");
}

#[test]
fn an_authority_that_was_put_there_is_used_and_one_of_tomorrow_is_refused() {
    let mut server = Machine::server("server-1");
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = time::OffsetDateTime::now_utc() + time::Duration::days(1);
    params.not_after = params.not_before + time::Duration::days(3650);
    let key = rcgen::KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let tls = server.path("var/lib/rancher/k3s/server/tls");
    fs::create_dir_all(&tls).unwrap();
    fs::write(tls.join("server-ca.crt"), &ca).unwrap();
    fs::write(tls.join("server-ca.key"), key.serialize_pem()).unwrap();
    server.start("server");
    server.logs("k3s is up and running");
    assert_eq!(server.token(), Token::full(&ca, "server", SECRET));
    let mut agent = Machine::agent("agent-1", &server, &server.token());
    agent.start("agent");
    agent.logs("CA cert validation failed: ");
    contains(&agent.log(), "x509: certificate has expired or is not yet valid: current time ");
}
