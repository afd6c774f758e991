//! `[ssh]`: hosts that cannot make up a cluster.

use std::collections::BTreeMap;

use super::Check;
use crate::model::{ProviderKind, Role};

pub(super) fn check(check: &mut Check<'_>) {
    duplicates(check);
    if check.uses(ProviderKind::Ssh) {
        roles(check);
        counts(check);
    }
}

fn roles(check: &mut Check<'_>) {
    let hosts = &check.config.ssh.hosts;
    if hosts.is_empty() && check.is_complete() {
        let hint = "list them: `hosts = [{ address = \"10.0.0.4\", user = \"ubuntu\", role = \"server\" }]`".to_owned();
        check.value(&["cluster", "provider"], "`ssh` needs machines, and `[ssh]` lists no hosts", hint);
    } else if !hosts.is_empty() && !hosts.iter().any(|host| host.role == Role::Server) {
        let hint = "one of them runs the Kubernetes API: `role = \"server\"`".to_owned();
        check.key(&["ssh", "hosts"], "no host is a server", hint);
    }
}

/// With `ssh` the hosts are the machines; other numbers in the same file would be a contradiction.
fn counts(check: &mut Check<'_>) {
    if check.overrides.provider.is_some() || check.config.ssh.hosts.is_empty() {
        return;
    }
    let cluster = &check.config.cluster;
    for (key, role, written) in [("servers", Role::Server, cluster.servers), ("agents", Role::Agent, cluster.agents)] {
        let listed = check.config.ssh.hosts.iter().filter(|host| host.role == role).count();
        let path = ["cluster", key];
        if check.document.value(&path).is_some() && u32::try_from(listed) != Ok(written) {
            let message = format!("`{key} = {written}`, and `[ssh]` lists {listed}");
            let hint = format!("leave `{key}` out: with `ssh` the hosts are the machines");
            check.value(&path, message, hint);
        }
    }
}

fn duplicates(check: &mut Check<'_>) {
    let mut addresses = BTreeMap::new();
    let mut names = BTreeMap::new();
    for (index, (machine, host)) in check.config.named_hosts().enumerate() {
        let step = index.to_string();
        if addresses.insert((host.address.to_ascii_lowercase(), host.port), index).is_some() {
            let message = format!("`{}` is listed twice", host.address);
            check.value(&["ssh", "hosts", &step, "address"], message, None);
        }
        if names.insert(machine.name.clone(), index).is_some() {
            let message = format!("two hosts are called `{}`", machine.name);
            check.value(&["ssh", "hosts", &step, "name"], message, "a node's name is its identity".to_owned());
        }
    }
}
