//! What K3s leaves on a host: files, interfaces, packet filter rules, mounts, and a process per pod that outlives it.

mod shims;

use std::{fs, io, os::unix::fs::symlink, path::PathBuf, process::Command};

pub use shims::{Shims, run as run_shim};

use crate::{
    log,
    paths::{Paths, write},
    version,
};

const FOLDERS: [&str; 7] = [
    "etc/cni/net.d",
    "var/lib/cni/networks/cbr0",
    "var/lib/cni/results",
    "var/lib/kubelet/pods",
    "run/k3s",
    "run/netns",
    "usr/libexec/kubernetes/kubelet-plugins/volume/exec",
];
const FILES: [(&str, &str); 4] = [
    (
        "run/flannel/subnet.env",
        "FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.0.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n",
    ),
    ("var/lib/cni/networks/cbr0/last_reserved_ip.0", "10.42.0.2"),
    ("var/lib/kubelet/cpu_manager_state", r#"{"policyName":"none","defaultCpuSet":"","checksum":1353318690}"#),
    ("var/lib/kubelet/memory_manager_state", r#"{"policyName":"None","machineState":{},"checksum":4047269018}"#),
];
/// Tried one after the other until one succeeds: a kernel in a container may know few kinds of interfaces.
const INTERFACES: [&[&str]; 2] = [
    &["link add cni0 type bridge", "link add cni0 type dummy"],
    &["link add flannel.1 type vxlan id 1 dstport 8472", "link add flannel.1 type dummy"],
];
const CHAINS: [&str; 4] = [
    "-t filter -N KUBE-SERVICES",
    "-t filter -N KUBE-FORWARD",
    "-t nat -N KUBE-POSTROUTING",
    "-t nat -N CNI-HOSTPORT-DNAT",
];
/// Table, chain, rule.
const RULES: [(&str, &str, &str); 8] = [
    ("filter", "OUTPUT", "-m comment --comment kubernetes-service-portals -j KUBE-SERVICES"),
    ("filter", "FORWARD", "-m comment --comment kubernetes-forwarding-rules -j KUBE-FORWARD"),
    ("filter", "FORWARD", "-s 10.42.0.0/16 -m comment --comment flanneld-forward -j ACCEPT"),
    // As flannel makes them up to K3s v1.22, without a word about whose they are.
    ("filter", "FORWARD", "-d 10.42.0.0/16 -j ACCEPT"),
    ("nat", "POSTROUTING", "-s 10.42.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE --random-fully"),
    ("nat", "POSTROUTING", "! -s 10.42.0.0/16 -d 10.42.0.0/24 -j RETURN"),
    ("nat", "POSTROUTING", "-m comment --comment kubernetes-postrouting-rules -j KUBE-POSTROUTING"),
    ("nat", "PREROUTING", "-m comment --comment CNI-portfwd -j CNI-HOSTPORT-DNAT"),
];

/// Returns the folder that this release unpacks its programs into.
pub fn programs(paths: &Paths) -> PathBuf {
    paths.data.join("data").join(version::digest(&version::current())).join("bin")
}

/// Makes what every K3s makes; what cannot be made is a warning.
pub fn make(paths: &Paths) {
    if let Err(error) = files(paths) {
        log::warning(format!("Failed to prepare the host: {error}"));
    }
    if !paths.is_host() {
        return;
    }
    for kinds in INTERFACES {
        let name = kinds[0].split(' ').nth(2).unwrap_or_default();
        let made = || kinds.iter().any(|words| succeeds("ip", words));
        if !PathBuf::from("/sys/class/net").join(name).exists() && !made() {
            log::warning(format!("Failed to create interface {name}"));
        }
    }
    // As the kubelet does where the folder is on no shared mount.
    let kubelet = "/var/lib/kubelet";
    if !succeeds("mountpoint", &format!("-q {kubelet}")) {
        succeeds("mount", &format!("--bind {kubelet} {kubelet}"));
    }
    for chain in CHAINS {
        succeeds("iptables", chain);
    }
    for (table, chain, rule) in RULES {
        let there = succeeds("iptables", &format!("-t {table} -C {chain} {rule}"));
        if !there && !succeeds("iptables", &format!("-t {table} -A {chain} {rule}")) {
            log::warning(format!("Failed to add a rule to {chain}"));
        }
    }
}

fn files(paths: &Paths) -> io::Result<()> {
    for folder in FOLDERS {
        fs::create_dir_all(paths.host(folder))?;
    }
    for (file, text) in FILES {
        write(&paths.host(file), text, 0o644)?;
    }
    let programs = programs(paths);
    fs::create_dir_all(&programs)?;
    fs::File::options().create(true).truncate(false).write(true).open(paths.data.join("data/.lock"))?;
    let current = paths.data.join("data/current");
    let _ = fs::remove_file(&current);
    symlink(programs.parent().unwrap_or(&programs), &current)?;
    for program in ["containerd", "containerd-shim-runc-v2", "cni", "crictl", "ctr", "kubectl"] {
        if !programs.join(program).exists() {
            write(&programs.join(program), "", 0o755)?;
        }
    }
    Ok(())
}

/// Runs a program with these words and returns whether it succeeded.
fn succeeds(program: &str, words: &str) -> bool {
    Command::new(program).args(words.split(' ')).output().is_ok_and(|output| output.status.success())
}
