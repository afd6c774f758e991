//! The names of a cluster's machines.

use super::{Config, Host};
use crate::model::{ProviderKind, Role};

/// A machine's name and what it is in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineName {
    pub name: String,
    pub role: Role,
}

impl Config {
    /// Returns the names of all machines: servers first, then agents, each in the order of their numbers.
    pub fn machine_names(&self) -> Vec<MachineName> {
        let mut machines = match self.cluster.provider {
            ProviderKind::Ssh => self.named_hosts().map(|(machine, _)| machine).collect(),
            _ => self.numbered_machines(),
        };
        machines.sort_by_key(|machine| machine.role);
        machines
    }

    /// Returns the hosts of `[ssh]` as they are written, each with its machine's name.
    pub fn named_hosts(&self) -> impl Iterator<Item = (MachineName, &Host)> {
        let (mut servers, mut agents) = (0, 0);
        self.ssh.hosts.iter().map(move |host| {
            let number = if host.role == Role::Server { &mut servers } else { &mut agents };
            *number += 1;
            let name = host.name.clone().unwrap_or_else(|| self.numbered(host.role, *number));
            (MachineName { name, role: host.role }, host)
        })
    }

    /// Returns the machine that a fault names in full or without the cluster's name, as `agent-1`.
    pub fn machine_called(&self, name: &str) -> Option<MachineName> {
        let long = format!("{}-{name}", self.cluster.name);
        self.machine_names().into_iter().find(|machine| machine.name == name || machine.name == long)
    }

    fn numbered_machines(&self) -> Vec<MachineName> {
        let of = |role: Role, count: u32| {
            (1..=count).map(move |number| MachineName { name: self.numbered(role, number), role })
        };
        of(Role::Server, self.cluster.servers).chain(of(Role::Agent, self.cluster.agents)).collect()
    }

    fn numbered(&self, role: Role, number: u32) -> String {
        format!("{}-{}-{number}", self.cluster.name, role.name())
    }
}
