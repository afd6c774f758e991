//! Machines that are too small to hold K3s.

use super::Check;
use crate::{config::Size, model::Role};

/// Less than this and K3s does not come up; its documentation asks for twice as much for a server.
const SERVER_MEMORY: Size = Size(1_000_000_000);
/// What the documentation of K3s asks for an agent.
const AGENT_MEMORY: Size = Size(512_000_000);
/// The operating system, K3s and its own images.
const DISK: Size = Size(5_000_000_000);

pub(super) fn check(check: &mut Check<'_>) {
    let has_agents = check.config.machine_names().iter().any(|machine| machine.role == Role::Agent);
    memory(check, Role::Server, SERVER_MEMORY);
    if has_agents {
        memory(check, Role::Agent, AGENT_MEMORY);
    }
    disk(check, Role::Server);
    if has_agents {
        disk(check, Role::Agent);
    }
}

fn memory(check: &mut Check<'_>, role: Role, least: Size) {
    let memory = check.config.machine.memory(role);
    if memory >= least {
        return;
    }
    let message = format!("{memory} of memory is too little for K3s on {} {}", article(role), role.name());
    let hint = match role {
        Role::Server => "2GiB is comfortable, 1GiB the least",
        Role::Agent => "1GiB is comfortable, 512MiB the least",
    };
    let own = check.config.machine.of(role).memory.is_some();
    check.value(&path(role, own, "memory"), message, hint.to_owned());
}

fn disk(check: &mut Check<'_>, role: Role) {
    let disk = check.config.machine.disk(role);
    if disk >= DISK {
        return;
    }
    let own = check.config.machine.of(role).disk.is_some();
    let message = format!("a disk of {disk} has no room for the system, K3s and images");
    check.value(&path(role, own, "disk"), message, "20GiB is comfortable, 5GiB the least".to_owned());
}

fn path(role: Role, own: bool, key: &'static str) -> Vec<&'static str> {
    if own { vec!["machine", role.name(), key] } else { vec!["machine", key] }
}

fn article(role: Role) -> &'static str {
    match role {
        Role::Server => "a",
        Role::Agent => "an",
    }
}
