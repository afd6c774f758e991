//! What K3s itself says when it does not come up, and what is made of it.

use std::fs;

use orchestrator::model::hex::hex;
use sha2::{Digest, Sha256};

use crate::lab::Lab;

#[test]
fn a_binary_for_another_processor_is_named() {
    let lab = Lab::new(1, 0);
    let folder = lab.path("k3s");
    fs::create_dir(&folder).unwrap();
    // The head of an ELF file for a SPARC.
    let binary = [b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x2b\0\x01\0\0\0".as_slice(), &[0; 200]].concat();
    let sum = hex(Sha256::digest(&binary));
    for (name, arch) in [("k3s", "amd64"), ("k3s-arm64", "arm64")] {
        fs::write(folder.join(name), &binary).unwrap();
        fs::write(folder.join(format!("sha256sum-{arch}.txt")), format!("{sum}  {name}\n")).unwrap();
    }
    let text = fs::read_to_string(lab.path("orchestrator.toml")).unwrap();
    let line = text.lines().find(|line| line.starts_with("artifacts")).unwrap();
    fs::write(lab.path("orchestrator.toml"), text.replace(line, "artifacts = \"k3s\"")).unwrap();
    let refused = lab.run(&["create"]).exits(6).says("error[K3S-019]").says("machine `s1`");
    refused.says("another processor").says("ssh s1 -- ");
    lab.configure();
    lab.run(&["create"]).ok();
    lab.is_whole();
}

#[test]
fn a_node_whose_password_the_cluster_does_not_know_is_named() {
    let lab = Lab::new(1, 1);
    lab.run(&["create"]).ok();
    let agent = lab.machine("a1");
    agent.sh("systemctl stop k3s-agent && echo another >/etc/rancher/node/password");
    lab.until_lost("a1");
    let refused = lab.run(&["create"]).exits(6).says("error[K3S-012]").says("machine `a1`");
    refused.says("kubectl delete node a1");
    lab.kubectl("delete node a1");
    lab.run(&["create"]).ok();
    lab.is_whole();
}

#[test]
fn what_keeps_nodes_from_joining_is_told_for_each() {
    let lab = Lab::new(1, 2);
    lab.machine("a1").sh("iptables -A OUTPUT -p tcp --dport 6443 -j REJECT");
    lab.machine("a2").sh("iptables -A OUTPUT -p tcp --dport 6443 -j DROP");
    let refused = lab.run(&["create"]).exits(6).says("error[K3S-013]");
    let refused = refused.says("machine `a1` does not reach the server's port 6443: Connection refused");
    refused.says("machine `a2` does not reach the server's port 6443: no answer within 3 s").says("ip route");
    assert_eq!(lab.ready(), ["s1"]);
    for name in ["a1", "a2"] {
        lab.machine(name).sh("iptables -F OUTPUT");
    }
    lab.run(&["create"]).ok();
    lab.is_whole();
}

mod stand_in {
    use super::*;
    use crate::release::needs_stand_in;

    const FAULTS: &str = "/etc/k3s-stand-in/faults.yaml";

    /// What K3s says as its last word, and the id of the failure that this is.
    const LAST_WORDS: [(&str, &str); 14] = [
        ("flag provided but not defined: -nonsense", "K3S-015"),
        ("starting kubernetes: bootstrap data already found and encrypted with different token", "K3S-014"),
        ("token CA hash does not match the Cluster CA certificate hash: a != b", "K3S-011"),
        ("https://10.0.0.1:6443/v1-k3s/serving-kubelet.crt: 401 Unauthorized", "K3S-010"),
        ("x509: certificate has expired or is not yet valid: current time 2020-01-01", "PRE-012"),
        ("listen tcp :10250: bind: address already in use", "PRE-015"),
        ("failed to find memory cgroup (v2)", "PRE-011"),
        ("write /var/lib/rancher/k3s/agent/x: no space left on device", "PRE-013"),
        ("no default routes found in /proc/net/route or /proc/net/ipv6_route", "PRE-014"),
        ("this server is not a member of the etcd cluster: it has been removed from the cluster", "K3S-017"),
        ("etcdserver: too many learner members in cluster", "K3S-016"),
        ("etcdserver: request timed out", "K3S-018"),
        ("Out of memory: Killed process 1 (k3s-server)", "K3S-020"),
        ("something that nobody knows", "K3S-001"),
    ];

    #[test]
    fn the_last_words_of_k3s_tell_the_cause() {
        needs_stand_in();
        let lab = Lab::new(1, 1);
        let agent = lab.machine("a1");
        for (words, id) in LAST_WORDS {
            agent.write(FAULTS, &format!("exit: {words:?}\n"));
            // Its journal is read from the second on in which it was started.
            agent.sh("systemctl stop k3s-agent 2>/dev/null; sleep 1");
            let refused = lab.run(&["create"]).exits(6).says(&format!("error[{id}]")).says(words);
            refused.says("machine `a1`").says("next: ").says_not("`s1`");
        }
        agent.sh(&format!("rm {FAULTS}; systemctl stop k3s-agent"));
        lab.run(&["create"]).ok();
        lab.is_whole();
    }

    #[test]
    fn a_pod_network_that_is_not_set_up_is_told() {
        needs_stand_in();
        let lab = Lab::new(1, 1);
        lab.machine("a1").write(FAULTS, "never-ready: true\n");
        let refused = lab.run(&["create"]).exits(6).says("error[K3S-021]").says("machine `a1`");
        refused.says("cni plugin not initialized").says("logs a1");
        lab.machine("a1").sh(&format!("rm {FAULTS}; systemctl restart k3s-agent"));
        lab.run(&["create"]).ok();
        lab.is_whole();
    }
}
