//! What keeps machines from becoming nodes, found out before anything is written on them.

use std::collections::BTreeMap;

use super::cluster::Cluster;
use crate::{
    failure::{
        CGROUPS_MISSING, CLOCK_WRONG, DISK_FULL, Entry, Failure, HOST_UNSUITABLE, K3S_FOREIGN, MACHINE_TWICE,
        NODE_ADDRESS_MISSING, PORT_TAKEN,
    },
    model::{Facts, Machine, Reached, Role},
};

/// More than this and certificates and tokens are not valid yet or any more, in milliseconds.
pub const CLOCK: i64 = 30_000;
/// The least free space for a binary, its images and the first containers, in bytes.
const DISK: u64 = 1 << 30;
const AGENT_MEMORY: u64 = 400 << 20;
const SERVER_MEMORY: u64 = 900 << 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    pub problems: Vec<Failure>,
    /// Machine and words, for what may be as it is.
    pub warnings: Vec<(String, String)>,
}

/// Looks at every machine and at all of them together. `id` is the cluster's.
pub fn preflight(cluster: &Cluster, id: &str, machines: &[Reached]) -> Found {
    let mut found = Found::default();
    for reached in machines {
        let mut check = Check { machine: &reached.machine, facts: &reached.facts, found: &mut found };
        check.system();
        check.clock();
        check.room(cluster);
        check.network();
        check.ports();
        check.owner(cluster, id);
    }
    doubles(machines, &mut found);
    found
}

struct Check<'a> {
    machine: &'a Machine,
    facts: &'a Facts,
    found: &'a mut Found,
}

impl Check<'_> {
    fn problem(&mut self, entry: &Entry, words: &str, because: &str, hint: impl Into<String>) {
        let what = format!("machine `{}` {words}", self.machine.name);
        self.found.problems.push(Failure::new(entry, what).because(because).hint(hint));
    }

    fn warning(&mut self, words: impl Into<String>) {
        self.found.warnings.push((self.machine.name.clone(), words.into()));
    }

    fn system(&mut self) {
        let (facts, on) = (self.facts, format!("./orchestrator ssh {}", self.machine.name));
        if !facts.init.is_empty() && facts.init != "systemd" {
            let because = format!("process 1 is {}, and K3s is run as a unit of systemd", facts.init);
            self.problem(&HOST_UNSUITABLE, "does not run systemd", &because, on.clone());
        }
        if !["amd64", "arm64", "arm", "rehearsal"].contains(&facts.arch.as_str()) {
            let because = format!("it is `{}`; K3s is released for amd64, arm64 and arm", facts.arch);
            self.problem(&HOST_UNSUITABLE, "has a processor that K3s is not made for", &because, on.clone());
        }
        if !facts.missing.is_empty() {
            let programs = facts.missing.join(", ");
            self.problem(&HOST_UNSUITABLE, &format!("lacks {programs}"), "they are needed to install K3s", on);
        }
        let missing: Vec<_> =
            ["memory", "cpu"].into_iter().filter(|name| !facts.cgroups.iter().any(|known| known == name)).collect();
        if !facts.cgroups.is_empty() && !missing.is_empty() {
            let because = format!(
                "cgroup controllers {} are off: add `cgroup_memory=1 cgroup_enable=memory` to the kernel's command line (on a \
                 Raspberry Pi: /boot/firmware/cmdline.txt) and reboot",
                missing.join(", ")
            );
            let hint = format!("./orchestrator ssh {} -- cat /proc/cmdline", self.machine.name);
            self.problem(&CGROUPS_MISSING, "cannot limit containers", &because, hint);
        }
        if facts.swap > 0 {
            self.warning("swap is on: Kubernetes works, and its memory limits mean less");
        }
        if let Some(firewall) = &facts.firewall {
            self.warning(format!(
                "the firewall {firewall} is active: nodes talk on 6443/tcp, 10250/tcp and 8472/udp, pods from 10.42.0.0/16, \
                 services from 10.43.0.0/16"
            ));
        }
    }

    fn clock(&mut self) {
        let ahead = self.facts.clock_ahead;
        if ahead.abs() > CLOCK {
            let direction = if ahead > 0 { "ahead of" } else { "behind" };
            let words = format!("has a wrong clock: {} s {direction} this computer's", ahead.abs() / 1000);
            let hint = format!("./orchestrator ssh {} -- sudo timedatectl set-ntp true", self.machine.name);
            self.problem(&CLOCK_WRONG, &words, "certificates would not be valid yet, or not any more", hint);
        }
    }

    fn room(&mut self, cluster: &Cluster) {
        let fresh = self.facts.k3s.owner.is_none();
        if let Some(free) = self.facts.disk_free.filter(|free| *free < DISK && fresh) {
            let words = format!("has {} MiB free below /var/lib", free >> 20);
            let hint = format!("./orchestrator ssh {} -- df -h /var/lib", self.machine.name);
            self.problem(&DISK_FULL, &words, "K3s, its images and its data need 1 GiB at least", hint);
        }
        let (role, memory) = (self.machine.role, self.facts.memory);
        let least = if role == Role::Server { SERVER_MEMORY } else { AGENT_MEMORY };
        if memory < least && cluster.provider != crate::model::ProviderKind::Rehearsal {
            self.warning(format!("{} MiB of memory is little for a {}", memory >> 20, role.name()));
        }
    }

    fn network(&mut self) {
        if self.facts.addresses.is_empty() && !self.facts.init.is_empty() {
            let hint = format!("./orchestrator ssh {} -- ip address", self.machine.name);
            self.problem(&NODE_ADDRESS_MISSING, "has no address", "no network interface holds one", hint);
        } else if !self.facts.has_default_route && !self.facts.init.is_empty() {
            let hint = format!(
                "./orchestrator ssh {} -- sudo ip route add default dev {}",
                self.machine.name, self.facts.addresses[0].nic
            );
            let because = "K3s does not start without one; it need not lead anywhere";
            self.problem(&NODE_ADDRESS_MISSING, "has no default route", because, hint);
        }
    }

    fn ports(&mut self) {
        let wanted: &[u16] = match self.machine.role {
            Role::Server => &[6443, 10250, 2379, 2380],
            Role::Agent => &[10250],
        };
        for listener in &self.facts.listening {
            let ours = self.facts.k3s.units.iter().any(|unit| unit.ours) && listener.process.starts_with("k3s");
            if wanted.contains(&listener.port) && !ours {
                let because = format!("the process `{}` listens on it", listener.process);
                let hint =
                    format!("./orchestrator ssh {} -- sudo ss -ltnp sport = :{}", self.machine.name, listener.port);
                self.problem(&PORT_TAKEN, &format!("has port {} taken", listener.port), &because, hint);
            }
        }
    }

    fn owner(&mut self, cluster: &Cluster, id: &str) {
        let k3s = &self.facts.k3s;
        match &k3s.owner {
            Some(owner) if owner.id != id => {
                let words = format!("belongs to another cluster, `{}` (node `{}`)", owner.cluster, owner.machine);
                let because = "it was installed from another orchestrator.toml, or its state directory was lost";
                let hint =
                    format!("destroy that cluster where it was made, or: ./orchestrator ssh {}", self.machine.name);
                self.problem(&K3S_FOREIGN, &words, because, hint);
            }
            Some(owner) if owner.role != self.machine.role => {
                let words =
                    format!("is of role {} and shall be of role {}", owner.role.name(), self.machine.role.name());
                let hint = format!("take it out of {} first, then add it again", cluster.name);
                self.problem(&K3S_FOREIGN, &words, "a node does not change its role", hint);
            }
            Some(owner) if owner.machine != self.machine.name => {
                let words = format!("is node `{}` of this cluster already", owner.machine);
                let hint = format!("give the host in [ssh] its name: name = \"{}\"", owner.machine);
                let because = "hosts without a name are numbered in their order, which has changed";
                self.problem(&K3S_FOREIGN, &words, because, hint);
            }
            None if k3s.units.iter().any(|unit| !unit.ours) || k3s.server_data => {
                let because = "it was not installed by the orchestrator, which would overwrite it";
                let hint = format!("./orchestrator ssh {} -- k3s-uninstall.sh", self.machine.name);
                self.problem(&K3S_FOREIGN, "has a K3s already", because, hint);
            }
            _ => {}
        }
    }
}

/// Returns the id of the cluster that these machines make up, if it is called like this one and its state directory was
/// lost: every machine that has an owner has the same.
pub fn lost_id(cluster: &Cluster, machines: &[Reached]) -> Option<String> {
    let mut owners = machines.iter().filter_map(|reached| reached.facts.k3s.owner.as_ref());
    let first = owners.next()?;
    let same = first.cluster == cluster.name && owners.all(|owner| owner.id == first.id);
    same.then(|| first.id.clone())
}

/// One machine that is listed twice, or two that were cloned with their identity.
fn doubles(machines: &[Reached], found: &mut Found) {
    let mut by_id: BTreeMap<&str, Vec<&Machine>> = BTreeMap::new();
    for reached in machines.iter().filter(|reached| !reached.facts.machine_id.is_empty()) {
        by_id.entry(&reached.facts.machine_id).or_default().push(&reached.machine);
    }
    for same in by_id.into_values().filter(|same| same.len() > 1) {
        let names = same.iter().map(|machine| format!("`{}`", machine.name)).collect::<Vec<_>>().join(" and ");
        let one = same.iter().all(|machine| machine.address == same[0].address);
        let (words, hint) = if one {
            ("are one and the same machine", "name each machine once in orchestrator.toml".to_owned())
        } else {
            let last = &same[same.len() - 1].name;
            let renew = "sh -c 'rm -f /etc/machine-id && systemd-machine-id-setup && reboot'";
            ("have the same /etc/machine-id", format!("./orchestrator ssh {last} -- sudo {renew}"))
        };
        let failure = Failure::new(&MACHINE_TWICE, format!("machines {names} {words}"));
        found.problems.push(failure.because("nodes are told apart by it").hint(hint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{MachineState, facts::*},
        plan::k3s::tests::cluster,
    };

    fn healthy(name: &str, role: Role) -> Reached {
        let address = NicAddress { nic: "eth0".into(), address: "10.0.0.4".parse().unwrap() };
        let facts = Facts {
            arch: "amd64".into(),
            init: "systemd".into(),
            memory: 4 << 30,
            machine_id: name.into(),
            cgroups: vec!["cpu".into(), "memory".into()],
            addresses: vec![address],
            has_default_route: true,
            ..Facts::default()
        };
        let machine = Machine { name: name.into(), role, state: MachineState::Running, address: "10.0.0.4".into() };
        Reached { machine, facts }
    }

    fn found(change: impl FnOnce(&mut Facts)) -> Vec<(String, String)> {
        let mut reached = healthy("s1", Role::Server);
        change(&mut reached.facts);
        let found = preflight(&cluster(1), "id-1", &[reached]);
        found.problems.into_iter().map(|problem| (problem.id, problem.what)).collect()
    }

    #[track_caller]
    fn case(entry: &Entry, words: &str, change: impl FnOnce(&mut Facts)) {
        let found = found(change);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, entry.id);
        assert!(found[0].1.contains(words), "{found:?}");
    }

    #[test]
    fn each_trap_is_found_by_itself() {
        assert_eq!(found(|_| {}), []);
        case(&HOST_UNSUITABLE, "systemd", |facts| facts.init = "busybox".into());
        case(&HOST_UNSUITABLE, "processor", |facts| facts.arch = "riscv64".into());
        case(&HOST_UNSUITABLE, "lacks ip", |facts| facts.missing.push("ip".into()));
        case(&CGROUPS_MISSING, "limit", |facts| facts.cgroups.retain(|name| name != "memory"));
        case(&CLOCK_WRONG, "120 s behind", |facts| facts.clock_ahead = -120_000);
        case(&DISK_FULL, "10 MiB", |facts| facts.disk_free = Some(10 << 20));
        case(&NODE_ADDRESS_MISSING, "default route", |facts| facts.has_default_route = false);
        case(&NODE_ADDRESS_MISSING, "no address", |facts| facts.addresses.clear());
        case(&PORT_TAKEN, "6443", |facts| facts.listening.push(Listener { port: 6443, process: "nginx".into() }));
        case(&K3S_FOREIGN, "another cluster", |facts| facts.k3s.owner = Owner::parse("id-2 other s1 server"));
        case(&K3S_FOREIGN, "is of role agent", |facts| facts.k3s.owner = Owner::parse("id-1 school s1 agent"));
        case(&K3S_FOREIGN, "is node `s2`", |facts| facts.k3s.owner = Owner::parse("id-1 school s2 server"));
        case(&K3S_FOREIGN, "a K3s already", |facts| {
            facts.k3s.units.push(InstalledUnit { role: Role::Server, ours: false, active: "active".into() });
        });
    }

    #[test]
    fn a_cluster_whose_state_was_lost_is_known_by_its_machines() {
        let mut machines = [healthy("s1", Role::Server), healthy("a1", Role::Agent), healthy("a2", Role::Agent)];
        assert_eq!(lost_id(&cluster(1), &machines), None);
        machines[0].facts.k3s.owner = Owner::parse("id-2 school s1 server");
        machines[1].facts.k3s.owner = Owner::parse("id-2 school a1 agent");
        assert_eq!(lost_id(&cluster(1), &machines).as_deref(), Some("id-2"));
        machines[2].facts.k3s.owner = Owner::parse("id-3 school a2 agent");
        assert_eq!(lost_id(&cluster(1), &machines), None);
    }

    #[test]
    fn the_ports_of_our_own_k3s_are_not_taken() {
        let ours = found(|facts| {
            facts.k3s.owner = Owner::parse("id-1 school s1 server");
            facts.k3s.units.push(InstalledUnit { role: Role::Server, ours: true, active: "active".into() });
            facts.listening.push(Listener { port: 6443, process: "k3s-server".into() });
        });
        assert_eq!(ours, []);
    }

    #[test]
    fn every_problem_of_every_machine_is_found_at_once() {
        let mut machines = [healthy("s1", Role::Server), healthy("a1", Role::Agent), healthy("a2", Role::Agent)];
        machines[0].facts.clock_ahead = 40_000;
        machines[1].facts.init = "runit".into();
        machines[2].facts.machine_id = "a1".into();
        let found = preflight(&cluster(1), "id-1", &machines);
        let ids: Vec<_> = found.problems.iter().map(|problem| problem.id.as_str()).collect();
        assert_eq!(ids, [CLOCK_WRONG.id, HOST_UNSUITABLE.id, MACHINE_TWICE.id]);
    }
}
