//! The files that make a machine a K3s node. Names and paths are those of K3s's own installer.

use serde_json::{Map, Value, json};

use super::cluster::Cluster;
use crate::model::{Machine, Role};

pub const BINARY: &str = "/usr/local/bin/k3s";
pub const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
pub const TOKEN: &str = "/etc/rancher/k3s/orchestrator-token";
/// What the unit was last started with, as a hash.
pub const STARTED_WITH: &str = "/etc/rancher/k3s/orchestrator-started-with";
/// Where K3s writes its administrator's kubeconfig.
pub const KUBECONFIG: &str = "/etc/rancher/k3s/k3s.yaml";
/// Where the first server writes the token that also proves its CA (docs.k3s.io/cli/token).
pub const FULL_TOKEN: &str = "/var/lib/rancher/k3s/server/token";
const PORT: u16 = 6443;

/// Settings that a node needs in its `config.yaml` and a user may not give.
#[derive(Debug, Clone, Copy)]
pub enum Join<'a> {
    /// The first server of a new cluster.
    First,
    /// Joins the cluster through this server.
    Through(&'a Machine),
}

/// Returns the text of `/etc/rancher/k3s/config.yaml` for a machine.
pub fn config_yaml(cluster: &Cluster, machine: &Machine, join: Join<'_>) -> String {
    let mut config = match machine.role {
        Role::Server => cluster.k3s.config.clone(),
        Role::Agent => agent_settings(&cluster.k3s.config),
    };
    config.insert("node-name".into(), json!(machine.name));
    config.insert("node-ip".into(), json!(machine.address));
    config.insert("token-file".into(), json!(TOKEN));
    let servers = cluster.machines.iter().filter(|machine| machine.role == Role::Server).count();
    match join {
        Join::First if servers > 1 => _ = config.insert("cluster-init".into(), json!(true)),
        Join::First => {}
        Join::Through(server) => _ = config.insert("server".into(), json!(url(server))),
    }
    if machine.role == Role::Server {
        config.insert("advertise-address".into(), json!(machine.address));
        let names = config.entry("tls-san").or_insert_with(|| json!([]));
        if let Some(names) = names.as_array_mut() {
            names.push(json!(cluster.name));
            names.push(json!(machine.address));
        }
        config.insert("write-kubeconfig-mode".into(), json!("0600"));
    }
    let body = serde_saphyr::to_string(&Value::Object(config)).expect("a JSON tree can be written as YAML");
    format!("# Written by orchestrator from orchestrator.toml: changes made here are overwritten.\n{body}")
}

/// Returns the URL other nodes reach a server's Kubernetes API at.
pub fn url(server: &Machine) -> String {
    format!("https://{}:{PORT}", server.address)
}

/// Keeps what `k3s agent` understands: it refuses to start with a server's settings.
fn agent_settings(config: &Map<String, Value>) -> Map<String, Value> {
    const AGENT: [&str; 9] = [
        "node-label",
        "node-taint",
        "kubelet-arg",
        "kube-proxy-arg",
        "selinux",
        "private-registry",
        "prefer-bundled-bin",
        "protect-kernel-defaults",
        "snapshotter",
    ];
    config.iter().filter(|(key, _)| AGENT.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{MachineSpec, MachineState, ProviderKind},
        plan::cluster::K3s,
    };

    fn cluster(servers: usize) -> Cluster {
        let spec = |n| MachineSpec { name: format!("s{n}"), role: Role::Server, cpus: 1, memory: 1, disk: 1 };
        let config = json!({"secrets-encryption": true, "kubelet-arg": ["v=2"]});
        Cluster {
            name: "school".into(),
            provider: ProviderKind::Rehearsal,
            machines: (0..servers).map(spec).collect(),
            k3s: K3s {
                version: "v1.33.5+k3s1".into(),
                artifacts: None,
                config: config.as_object().expect("an object").clone(),
            },
            images: Default::default(),
            stacks: Vec::new(),
            faults: Default::default(),
            real_pace: false,
        }
    }

    fn machine(name: &str, role: Role) -> Machine {
        Machine { name: name.into(), role, state: MachineState::Running, address: "10.0.0.4".into() }
    }

    #[test]
    fn the_first_of_several_servers_begins_an_etcd_cluster_and_a_single_one_does_not() {
        let server = machine("s0", Role::Server);
        assert!(config_yaml(&cluster(3), &server, Join::First).contains("cluster-init: true"));
        assert!(!config_yaml(&cluster(1), &server, Join::First).contains("cluster-init"));
    }

    #[test]
    fn an_agent_gets_no_setting_that_only_a_server_understands() {
        let text = config_yaml(&cluster(1), &machine("a0", Role::Agent), Join::Through(&machine("s0", Role::Server)));
        assert!(text.contains("kubelet-arg") && text.contains("server: https://10.0.0.4:6443"), "{text}");
        assert!(!text.contains("secrets-encryption") && !text.contains("tls-san"), "{text}");
    }
}
