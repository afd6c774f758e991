//! What a node says of the machine it is on.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, UdpSocket},
};

use orchestrator::{
    model::Role,
    rehearsal::control::world::{Kubelet, Node},
};
use serde_json::{Value, json};

use crate::{config::Settings, log::Fatal, version};

/// Returns the node's name: as configured, or the machine's.
pub fn name(settings: &Settings) -> String {
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    settings.text("node-name").map_or_else(host, str::to_owned).to_lowercase()
}

/// Returns the node's own address: as configured, or that of the interface with the default route.
///
/// # Errors
/// When there is neither.
pub fn address(settings: &Settings) -> Result<IpAddr, Fatal> {
    if let Some(address) = settings.list("node-ip").first() {
        return address.parse().map_err(|_| Fatal(format!("invalid ip format '{address}'")));
    }
    let missing = "unable to select an IP from default routes.";
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).map_err(|_| missing)?;
    Ok(socket.local_addr()?.ip())
}

/// Checks that the interface for the pods' network is there.
///
/// # Errors
/// When it is not.
pub fn check_interface(settings: &Settings) -> Result<(), Fatal> {
    match settings.text("flannel-iface") {
        Some(name) if !std::path::Path::new("/sys/class/net").join(name).exists() => {
            Err(Fatal(format!("unable to find interface {name}: route ip+net: no such network interface")))
        }
        _ => Ok(()),
    }
}

/// Returns the node as its kubelet registers it, not ready yet. Which start it is, is random.
///
/// # Errors
/// When a taint or an address cannot be read.
pub fn node(settings: &Settings, role: Role, etcd: bool, not_ready: &str) -> Result<Node, Fatal> {
    let (name, address, version) = (name(settings), address(settings)?.to_string(), version::current());
    let kubelet = Kubelet {
        start: Some(uuid::Uuid::new_v4().to_string()),
        labels: labels(settings, &name, role, etcd),
        annotations: annotations(settings, &name, &address, role, etcd),
        taints: settings.list("node-taint").into_iter().map(taint).collect::<Result<_, _>>()?,
        addresses: addresses(settings, &name, &address),
        info: info(&version),
        not_ready: Some(not_ready.to_owned()),
    };
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32;
    Ok(Node {
        name,
        role,
        address,
        version,
        cpus,
        memory: memory(),
        running: true,
        images: Vec::new(),
        kubelet: Some(kubelet),
    })
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn labels(settings: &Settings, name: &str, role: Role, etcd: bool) -> BTreeMap<String, String> {
    let architecture = architecture();
    let mut labels: BTreeMap<String, String> = [
        ("beta.kubernetes.io/arch", architecture),
        ("beta.kubernetes.io/instance-type", "k3s"),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture),
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("node.kubernetes.io/instance-type", "k3s"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let roles: &[&str] = match (role, etcd) {
        (Role::Agent, _) => &[],
        (Role::Server, false) => &["control-plane", "master"],
        (Role::Server, true) => &["control-plane", "etcd", "master"],
    };
    labels.extend(roles.iter().map(|role| (format!("node-role.kubernetes.io/{role}"), "true".to_owned())));
    for label in settings.list("node-label") {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        labels.insert(key.into(), value.into());
    }
    labels
}

fn annotations(settings: &Settings, name: &str, address: &str, role: Role, etcd: bool) -> BTreeMap<String, String> {
    let arguments: Vec<String> = std::iter::once(role.name().to_owned())
        .chain(settings.list("node-label").iter().flat_map(|label| ["--node-label".to_owned(), (*label).to_owned()]))
        .collect();
    let mut annotations: BTreeMap<String, String> = [
        ("alpha.kubernetes.io/provided-node-ip", address),
        ("k3s.io/hostname", name),
        ("k3s.io/internal-ip", address),
        ("k3s.io/node-args", &json!(arguments).to_string()),
        ("k3s.io/node-config-hash", &version::digest(&arguments.concat()).to_uppercase()),
        ("k3s.io/node-env", "{}"),
        ("node.alpha.kubernetes.io/ttl", "0"),
        ("volumes.kubernetes.io/controller-managed-attach-detach", "true"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    if etcd {
        annotations.insert("etcd.k3s.cattle.io/node-name".into(), format!("{name}-{}", version::commit(name)));
        annotations.insert("etcd.k3s.cattle.io/node-address".into(), address.into());
    }
    annotations
}

fn addresses(settings: &Settings, name: &str, address: &str) -> Vec<Value> {
    let own = |kind: &str, address: &str| json!({"type": kind, "address": address});
    let external = settings.list("node-external-ip").into_iter().map(|address| own("ExternalIP", address));
    std::iter::once(own("InternalIP", address)).chain(external).chain([own("Hostname", name)]).collect()
}

/// Reads `key=value:effect`, the value being optional.
fn taint(text: &str) -> Result<Value, Fatal> {
    let (key, effect) = text.rsplit_once(':').ok_or_else(|| Fatal(format!("invalid taint spec: {text}")))?;
    let (key, value) = key.split_once('=').map_or((key, None), |(key, value)| (key, Some(value)));
    let mut taint = json!({"key": key, "effect": effect});
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        taint["value"] = json!(value);
    }
    Ok(taint)
}

fn info(version: &str) -> BTreeMap<String, String> {
    let file = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let release = file("/etc/os-release");
    let release = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    [
        ("architecture", architecture()),
        ("bootID", &file("/proc/sys/kernel/random/boot_id")),
        ("containerRuntimeVersion", "containerd://2.1.4-k3s1"),
        ("kernelVersion", &kernel),
        ("kubeProxyVersion", version),
        ("kubeletVersion", version),
        ("machineID", &file("/etc/machine-id")),
        ("operatingSystem", "linux"),
        ("osImage", release.trim_matches('"')),
        ("systemUUID", &file("/proc/sys/kernel/random/boot_id")),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Returns the machine's memory, in bytes.
fn memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
