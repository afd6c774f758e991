//! The settings that `k3s server` and `k3s agent` know, as flags and as keys of `config.yaml`.
//!
//! From the K3s documentation's pages on the two commands, checked against `pkg/cli/cmds`.

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Switch,
    Text,
    /// May be given many times.
    List,
}

/// Which command knows a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Both,
    Server,
    Agent,
}

/// One setting.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    /// One letter, or nothing.
    pub short: &'static str,
    pub kind: Kind,
    pub who: Who,
    /// The environment variable, or nothing.
    pub variable: &'static str,
}

const fn key(name: &'static str, kind: Kind, who: Who) -> Key {
    Key { name, short: "", kind, who, variable: "" }
}

const fn known(name: &'static str, short: &'static str, kind: Kind, who: Who, variable: &'static str) -> Key {
    Key { name, short, kind, who, variable }
}

use Kind::{List, Switch, Text};
use Who::{Agent, Both, Server};

/// Every setting.
pub const KEYS: &[Key] = &[
    known("config", "c", Text, Both, "K3S_CONFIG_FILE"),
    known("debug", "", Switch, Both, "K3S_DEBUG"),
    known("v", "", Text, Both, ""),
    key("vmodule", Text, Both),
    known("log", "l", Text, Both, ""),
    key("alsologtostderr", Switch, Both),
    known("token", "t", Text, Both, "K3S_TOKEN"),
    known("token-file", "", Text, Both, "K3S_TOKEN_FILE"),
    known("server", "s", Text, Both, "K3S_URL"),
    known("data-dir", "d", Text, Both, "K3S_DATA_DIR"),
    known("node-name", "", Text, Both, "K3S_NODE_NAME"),
    key("with-node-id", Switch, Both),
    key("node-label", List, Both),
    key("node-taint", List, Both),
    key("image-credential-provider-bin-dir", Text, Both),
    key("image-credential-provider-config", Text, Both),
    known("selinux", "", Switch, Both, "K3S_SELINUX"),
    known("lb-server-port", "", Text, Both, "K3S_LB_SERVER_PORT"),
    key("protect-kernel-defaults", Switch, Both),
    key("container-runtime-endpoint", Text, Both),
    key("default-runtime", Text, Both),
    key("image-service-endpoint", Text, Both),
    key("disable-default-registry-endpoint", Switch, Both),
    key("nonroot-devices", Switch, Both),
    key("pause-image", Text, Both),
    key("snapshotter", Text, Both),
    key("private-registry", Text, Both),
    key("airgap-extra-registry", List, Both),
    known("node-ip", "i", List, Both, ""),
    key("node-external-ip", List, Both),
    key("node-internal-dns", List, Both),
    key("node-external-dns", List, Both),
    known("resolv-conf", "", Text, Both, "K3S_RESOLV_CONF"),
    key("flannel-iface", Text, Both),
    key("flannel-conf", Text, Both),
    key("flannel-cni-conf", Text, Both),
    known("vpn-auth", "", Text, Both, "K3S_VPN_AUTH"),
    known("vpn-auth-file", "", Text, Both, "K3S_VPN_AUTH_FILE"),
    key("kubelet-arg", List, Both),
    key("kube-proxy-arg", List, Both),
    key("enable-pprof", Switch, Both),
    key("rootless", Switch, Both),
    key("prefer-bundled-bin", Switch, Both),
    key("docker", Switch, Both),
    key("disable-apiserver-lb", Switch, Agent),
    key("bind-address", Text, Both),
    key("https-listen-port", Text, Server),
    key("advertise-address", Text, Server),
    key("advertise-port", Text, Server),
    key("tls-san", List, Server),
    key("tls-san-security", Switch, Server),
    key("cluster-cidr", List, Server),
    key("service-cidr", List, Server),
    key("service-node-port-range", Text, Server),
    key("cluster-dns", List, Server),
    key("cluster-domain", Text, Server),
    key("flannel-backend", Text, Server),
    key("flannel-ipv6-masq", Switch, Server),
    key("flannel-external-ip", Switch, Server),
    key("egress-selector-mode", Text, Server),
    key("servicelb-namespace", Text, Server),
    known("write-kubeconfig", "o", Text, Server, "K3S_KUBECONFIG_OUTPUT"),
    known("write-kubeconfig-mode", "", Text, Server, "K3S_KUBECONFIG_MODE"),
    known("write-kubeconfig-group", "", Text, Server, "K3S_KUBECONFIG_GROUP"),
    key("helm-job-image", Text, Server),
    known("agent-token", "", Text, Server, "K3S_AGENT_TOKEN"),
    known("agent-token-file", "", Text, Server, "K3S_AGENT_TOKEN_FILE"),
    known("cluster-init", "", Switch, Server, "K3S_CLUSTER_INIT"),
    known("cluster-reset", "", Switch, Server, "K3S_CLUSTER_RESET"),
    key("cluster-reset-restore-path", Text, Server),
    key("kube-apiserver-arg", List, Server),
    key("etcd-arg", List, Server),
    key("kube-controller-manager-arg", List, Server),
    key("kube-scheduler-arg", List, Server),
    key("kube-cloud-controller-manager-arg", List, Server),
    key("kine-tls", Switch, Server),
    known("datastore-endpoint", "", Text, Server, "K3S_DATASTORE_ENDPOINT"),
    known("datastore-cafile", "", Text, Server, "K3S_DATASTORE_CAFILE"),
    known("datastore-certfile", "", Text, Server, "K3S_DATASTORE_CERTFILE"),
    known("datastore-keyfile", "", Text, Server, "K3S_DATASTORE_KEYFILE"),
    key("etcd-expose-metrics", Switch, Server),
    key("etcd-disable-snapshots", Switch, Server),
    key("etcd-snapshot-name", Text, Server),
    key("etcd-snapshot-schedule-cron", Text, Server),
    key("etcd-snapshot-retention", Text, Server),
    key("etcd-snapshot-dir", Text, Server),
    key("etcd-snapshot-compress", Switch, Server),
    key("etcd-s3", Switch, Server),
    key("etcd-s3-endpoint", Text, Server),
    key("etcd-s3-endpoint-ca", Text, Server),
    key("etcd-s3-skip-ssl-verify", Switch, Server),
    key("etcd-s3-access-key", Text, Server),
    key("etcd-s3-secret-key", Text, Server),
    key("etcd-s3-bucket", Text, Server),
    key("etcd-s3-region", Text, Server),
    key("etcd-s3-folder", Text, Server),
    key("etcd-s3-insecure", Switch, Server),
    key("etcd-s3-timeout", Text, Server),
    key("default-local-storage-path", Text, Server),
    key("disable", List, Server),
    key("disable-scheduler", Switch, Server),
    key("disable-cloud-controller", Switch, Server),
    key("disable-kube-proxy", Switch, Server),
    key("disable-network-policy", Switch, Server),
    key("disable-helm-controller", Switch, Server),
    key("disable-agent", Switch, Server),
    key("disable-apiserver", Switch, Server),
    key("disable-controller-manager", Switch, Server),
    key("disable-etcd", Switch, Server),
    key("embedded-registry", Switch, Server),
    key("supervisor-metrics", Switch, Server),
    key("system-default-registry", Text, Server),
    known("secrets-encryption", "", Switch, Server, "K3S_SECRETS_ENCRYPTION"),
    key("secrets-encryption-provider", Text, Server),
];

/// Returns the setting with this name or letter, if the command knows it.
pub fn find(command: Who, name: &str) -> Option<&'static Key> {
    let named = |key: &&Key| key.name == name || (!key.short.is_empty() && key.short == name);
    KEYS.iter().find(named).filter(|key| key.who == Both || key.who == command)
}
