use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
};

use http::Method;
use serde_json::Value;

use crate::machine::{Machine, SECRET, contains, within};

const CONFIG_MAP: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}"#;

fn server_and_agent() -> (Machine, Machine) {
    let mut server = Machine::server("server-1");
    server.start("server");
    server.awaits_ready("server-1");
    let mut agent = Machine::agent("agent-1", &server, &server.token());
    agent.start("agent");
    server.awaits_ready("agent-1");
    (server, agent)
}

#[test]
fn a_killed_server_keeps_what_it_acknowledged_and_its_agents_come_back() {
    let (mut server, _agent) = server_and_agent();
    server.ask(Method::POST, "/api/v1/namespaces/default/configmaps", CONFIG_MAP).unwrap();
    let (token, ca) = (server.token(), server.read("var/lib/rancher/k3s/server/tls/server-ca.crt"));
    server.kill();
    let configuration = server.read("etc/rancher/k3s/config.yaml");
    fs::write(server.path("etc/rancher/k3s/config.yaml"), configuration + "tls-san: [api.example.org]\n").unwrap();
    server.start("server");
    within(20, "what was stored is there", || {
        let kept = server.get("/api/v1/namespaces/default/configmaps/kept");
        (kept["metadata"]["name"] == "kept").then_some(())
    });
    assert_eq!((server.token(), server.read("var/lib/rancher/k3s/server/tls/server-ca.crt")), (token, ca));
    contains(&server.read("var/lib/rancher/k3s/server/tls/dynamic-cert.json"), "api.example.org");
    assert_eq!(server.ready("agent-1"), "True");
    within(20, "the agent reports to the new process", || {
        let leases = server.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/agent-1");
        let before = leases["spec"]["renewTime"].clone();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let leases = server.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/agent-1");
        (leases["spec"]["renewTime"].is_string() && leases["spec"]["renewTime"] != before).then_some(())
    });
}

#[test]
fn a_server_that_starts_says_nothing_for_a_node_that_is_silent() {
    let (mut server, mut agent) = server_and_agent();
    agent.kill();
    server.kill();
    let heartbeat = |server: &Machine, name: &str| server.condition(name, "Ready")["lastHeartbeatTime"].clone();
    std::thread::sleep(std::time::Duration::from_secs(1));
    server.start("server");
    let before = within(20, "the API is there", || Some(heartbeat(&server, "agent-1")).filter(Value::is_string));
    let own = heartbeat(&server, "server-1");
    within(20, "its own node reports anew", || (heartbeat(&server, "server-1") != own).then_some(()));
    assert_eq!(heartbeat(&server, "agent-1"), before);
}

#[test]
fn another_token_and_a_taken_port_are_fatal() {
    let mut server = Machine::server("server-1");
    server.start("server");
    server.logs("k3s is up and running");
    let mut other = Machine::new("server-2");
    other.configure(&format!("bind-address: {}\n", server.address));
    other.start("server");
    contains(&other.ends(), &format!("listen tcp {}:6443: bind: address already in use", server.address));
    server.kill();
    server.configure(&format!("bind-address: {}\ntoken: another\n", server.address));
    server.start("server");
    contains(
        &server.ends(),
        "level=fatal msg=\"starting kubernetes: preparing server: bootstrap data already found and encrypted with different token\"",
    );
}

#[test]
fn a_trailer_makes_another_release() {
    let mut server = Machine::server("server-1");
    let newer = server.path("k3s");
    fs::copy(&server.binary, &newer).unwrap();
    fs::File::options().append(true).open(&newer).unwrap().write_all(b"\nK3S-STAND-IN-VERSION=v1.34.1+k3s1\n").unwrap();
    fs::set_permissions(&newer, fs::Permissions::from_mode(0o755)).unwrap();
    server.start("server");
    server.awaits_ready("server-1");
    server.kill();
    server.binary = newer;
    let version = String::from_utf8(server.run(&["--version"]).stdout).unwrap();
    contains(&version, "k3s version v1.34.1+k3s1 (");
    contains(&version, "\ngo version go");
    server.start("server");
    within(20, "the node has the new release", || {
        (server.node("server-1")["status"]["nodeInfo"]["kubeletVersion"] == "v1.34.1+k3s1").then_some(())
    });
}

#[test]
fn faults_are_ordered_in_a_file() {
    let mut server = Machine::server("server-1");
    fs::create_dir_all(server.path("etc/k3s-stand-in")).unwrap();
    let order = |server: &Machine, text: &str| fs::write(server.path("etc/k3s-stand-in/faults.yaml"), text).unwrap();
    order(&server, "exit: no space left on device");
    server.start("server");
    contains(&server.ends(), "level=fatal msg=\"no space left on device\"");
    order(&server, "never-ready: true\ncrash-after: 4s");
    server.start("server");
    within(20, "the node is there", || (server.ready("server-1") == "False").then_some(()));
    contains(&server.node("server-1").to_string(), "cni plugin not initialized");
    contains(&server.ends(), "nil pointer dereference");
}

#[test]
fn systemd_hears_of_a_unit_that_is_up_and_of_no_other() {
    let mut server = Machine::server("server-1");
    let mut agent = Machine::agent("agent-1", &server, SECRET);
    let listen = |machine: &Machine| {
        let socket = UnixDatagram::bind(machine.path("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    let heard = |socket: &UnixDatagram| {
        let mut buffer = [0; 64];
        socket.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).trim().to_owned())
    };
    let (of_server, of_agent) = (listen(&server), listen(&agent));
    agent.start("agent");
    agent.logs("Failed to validate connection to cluster");
    assert_eq!(heard(&of_agent), None);
    server.start("server");
    assert_eq!(within(20, "the server is up", || heard(&of_server)), "READY=1");
    assert_eq!(within(20, "the agent is up", || heard(&of_agent)), "READY=1");
    contains(&agent.log(), "k3s agent is up and running");
}
