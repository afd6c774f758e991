//! The files that make a machine a K3s node. Names and paths are those of K3s's own installer.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::cluster::Cluster;
use crate::model::{
    API_PORT, Content, Machine, Reached, ReleaseFile, RemoteFile, Role, facts::Owner, hex::hex, node_address::interface,
};

pub const BINARY: &str = "/usr/local/bin/k3s";
/// Where archives of images are imported from (docs.k3s.io/installation/airgap).
const IMAGES: &str = "/var/lib/rancher/k3s/agent/images";
pub const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
pub const REGISTRIES: &str = "/etc/rancher/k3s/registries.yaml";
pub const TOKEN: &str = "/etc/rancher/k3s/orchestrator-token";
/// The cluster that a machine's K3s was installed for: [`Owner`] as a line.
pub const CLUSTER: &str = "/etc/rancher/k3s/orchestrator-cluster";
/// What the unit was last started with, as a hash.
pub const STARTED_WITH: &str = "/etc/rancher/k3s/orchestrator-started-with";
/// Where K3s writes its administrator's kubeconfig.
pub const KUBECONFIG: &str = "/etc/rancher/k3s/k3s.yaml";
/// Where the first server writes the token that also proves its CA (docs.k3s.io/cli/token).
pub const FULL_TOKEN: &str = "/var/lib/rancher/k3s/server/token";
/// Where K3s looks for a CA that it did not make (docs.k3s.io/cli/certificate).
pub const CA: &str = "/var/lib/rancher/k3s/server/tls/server-ca.crt";
pub const CA_KEY: &str = "/var/lib/rancher/k3s/server/tls/server-ca.key";
const SERVER_UNIT: &str = include_str!("../../provision/k3s.service");
const AGENT_UNIT: &str = include_str!("../../provision/k3s-agent.service");
/// How often a kubelet reports. It reports a first time when it registers, and is Ready with the second report; the
/// default is 10 s, which a joining node would wait for. Reports that say nothing new are sent every 5 min all the same.
const STATUS_PERIOD: &str = "node-status-update-frequency";

/// How a machine comes into the cluster.
#[derive(Debug, Clone, Copy)]
pub enum Join<'a> {
    /// The first server of a new cluster.
    First,
    /// Joins the cluster through this server.
    Through(&'a Machine),
}

/// What one machine needs to become a node.
pub struct NodeFiles<'a> {
    pub cluster: &'a Cluster,
    /// The cluster's random id.
    pub id: &'a str,
    pub reached: &'a Reached,
    pub join: Join<'a>,
    pub token: &'a str,
    /// The binary first, then archives of images.
    pub release: &'a [ReleaseFile],
}

impl NodeFiles<'_> {
    /// Returns the files that K3s starts with: what says whose machine it is, the large ones, the others.
    pub fn files(&self) -> Vec<RemoteFile> {
        let machine = &self.reached.machine;
        let mut files = vec![owner(self.cluster, self.id, machine)];
        files.extend(self.release.iter().enumerate().map(|(index, file)| self.released(index, file)));
        let unit = match machine.role {
            Role::Server => SERVER_UNIT,
            Role::Agent => AGENT_UNIT,
        };
        files.push(text(&format!("/etc/systemd/system/{}.service", machine.role.unit()), 0o644, unit.into()));
        files.push(text(CONFIG, 0o600, config_yaml(self.cluster, self.reached, self.join)));
        files.push(text(TOKEN, 0o600, self.token.into()));
        files.extend(self.cluster.k3s.registries.as_ref().map(|map| text(REGISTRIES, 0o600, yaml(map.clone()))));
        files
    }

    fn released(&self, index: usize, file: &ReleaseFile) -> RemoteFile {
        let (path, mode) = if index == 0 { (BINARY.into(), 0o755) } else { (format!("{IMAGES}/{}", file.name), 0o644) };
        let content = Content::Release { version: self.cluster.k3s.version.clone(), file: file.clone() };
        RemoteFile { path, mode, content }
    }
}

/// Returns the file that says whose machine it is, for the cluster with this id. It comes before every other, so that what
/// was put on a machine is found, whatever became of the run that did so.
pub fn owner(cluster: &Cluster, id: &str, machine: &Machine) -> RemoteFile {
    let owner =
        Owner { id: id.into(), cluster: cluster.name.clone(), machine: machine.name.clone(), role: machine.role };
    text(CLUSTER, 0o600, format!("{owner}\n"))
}

fn text(path: &str, mode: u32, text: String) -> RemoteFile {
    RemoteFile { path: path.into(), mode, content: Content::Text(text) }
}

/// Returns the hash of what K3s reads when it starts: a unit that was started with another must be restarted. Images and
/// the owner are not read at the start.
pub fn fingerprint(files: &[RemoteFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        let content = match &file.content {
            Content::Text(text) if file.path != CLUSTER => text.clone(),
            Content::Release { version, file: release } if file.path == BINARY => {
                format!("{version} {}", release.sha256)
            }
            _ => continue,
        };
        for part in [&file.path, &content] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
    }
    hex(hash.finalize())
}

/// Returns the token with which nodes join and that proves the CA to them: `K10<SHA-256 of its PEM>::server:<secret>`.
pub fn full_token(ca: &str, secret: &str) -> String {
    format!("K10{}::server:{secret}", hex(Sha256::digest(ca)))
}

/// Returns the secret in a token of either form.
pub fn secret_of(token: &str) -> &str {
    token.rsplit_once("::server:").map_or(token, |(_, secret)| secret).trim()
}

/// Returns the text of `/etc/rancher/k3s/config.yaml` for a machine.
pub fn config_yaml(cluster: &Cluster, reached: &Reached, join: Join<'_>) -> String {
    let machine = &reached.machine;
    let mut config = match machine.role {
        Role::Server => cluster.k3s.config.clone(),
        Role::Agent => agent_settings(&cluster.k3s.config),
    };
    config.insert("node-name".into(), json!(machine.name));
    config.insert("node-ip".into(), json!(machine.address));
    config.insert("token-file".into(), json!(TOKEN));
    if let Some(nic) = interface(&machine.address, &reached.facts)
        && !config.contains_key("flannel-iface")
    {
        config.insert("flannel-iface".into(), json!(nic));
    }
    report_often(&mut config);
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
    yaml(config)
}

fn yaml(map: Map<String, Value>) -> String {
    let body = serde_saphyr::to_string(&Value::Object(map)).expect("a JSON tree can be written as YAML");
    format!("# Written by orchestrator from orchestrator.toml: changes made here are overwritten.\n{body}")
}

/// Has the kubelet report every second, unless the user says how often.
fn report_often(config: &mut Map<String, Value>) {
    let arguments = config.entry("kubelet-arg").or_insert_with(|| json!([]));
    if let Value::String(one) = arguments {
        *arguments = json!([one]);
    }
    let says = |argument: &Value| argument.as_str().is_some_and(|text| text.starts_with(STATUS_PERIOD));
    if let Some(arguments) = arguments.as_array_mut()
        && !arguments.iter().any(says)
    {
        arguments.push(json!(format!("{STATUS_PERIOD}=1s")));
    }
}

/// Returns the URL other nodes reach a server's Kubernetes API at.
pub fn url(server: &Machine) -> String {
    format!("https://{}:{API_PORT}", server.address)
}

/// Keeps what `k3s agent` understands: it refuses to start with a server's settings.
fn agent_settings(config: &Map<String, Value>) -> Map<String, Value> {
    const AGENT: [&str; 14] = [
        "debug",
        "disable-apiserver-lb",
        "flannel-iface",
        "lb-server-port",
        "node-external-ip",
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
pub mod tests {
    use super::*;
    use crate::{
        model::{Facts, MachineSpec, MachineState, ProviderKind},
        plan::cluster::K3s,
    };

    pub fn cluster(servers: usize) -> Cluster {
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
                registries: None,
            },
            images: Default::default(),
            stacks: Vec::new(),
            faults: Default::default(),
            real_pace: false,
        }
    }

    fn reached(name: &str, role: Role) -> Reached {
        let machine = Machine { name: name.into(), role, state: MachineState::Running, address: "10.0.0.4".into() };
        Reached { machine, facts: Facts::default() }
    }

    #[test]
    fn the_first_of_several_servers_begins_an_etcd_cluster_and_a_single_one_does_not() {
        let server = reached("s0", Role::Server);
        assert!(config_yaml(&cluster(3), &server, Join::First).contains("cluster-init: true"));
        assert!(!config_yaml(&cluster(1), &server, Join::First).contains("cluster-init"));
    }

    #[test]
    fn an_agent_gets_no_setting_that_only_a_server_understands() {
        let server = reached("s0", Role::Server).machine;
        let text = config_yaml(&cluster(1), &reached("a0", Role::Agent), Join::Through(&server));
        assert!(text.contains("kubelet-arg") && text.contains("server: https://10.0.0.4:6443"), "{text}");
        assert!(!text.contains("secrets-encryption") && !text.contains("tls-san"), "{text}");
    }

    #[test]
    fn the_kubelet_reports_often_unless_the_user_says_how_often() {
        let mut cluster = cluster(1);
        let text = |cluster: &Cluster| config_yaml(cluster, &reached("s0", Role::Server), Join::First);
        assert!(text(&cluster).contains("v=2") && text(&cluster).contains("node-status-update-frequency=1s"));
        cluster.k3s.config.insert("kubelet-arg".into(), json!("node-status-update-frequency=20s"));
        assert!(!text(&cluster).contains("=1s"), "{}", text(&cluster));
    }

    #[test]
    fn a_restart_is_due_when_settings_or_the_binary_change_and_not_for_images() {
        let (cluster, reached) = (cluster(1), reached("s0", Role::Server));
        let file = |name: &str, sum: &str| ReleaseFile {
            name: name.into(),
            path: Default::default(),
            sha256: sum.into(),
            size: 1,
        };
        let hash = |token: &str, binary: &str, images: &str| {
            let release = [file("k3s", binary), file("k3s-airgap-images-amd64.tar", images)];
            let join = Join::First;
            let node = NodeFiles { cluster: &cluster, id: "1", reached: &reached, join, token, release: &release };
            fingerprint(&node.files())
        };
        let before = hash("token", "aa", "bb");
        assert_eq!(before, hash("token", "aa", "cc"));
        assert_ne!(before, hash("other", "aa", "bb"));
        assert_ne!(before, hash("token", "ab", "bb"));
    }

    #[test]
    fn a_token_proves_the_ca() {
        // Of the text `ca`, by sha256sum.
        let hash = "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126";
        let token = full_token("ca", "secret");
        assert_eq!(token, format!("K10{hash}::server:secret"));
        assert_eq!(secret_of(&format!("{token}\n")), "secret");
        assert_eq!(secret_of("secret"), "secret");
    }
}
