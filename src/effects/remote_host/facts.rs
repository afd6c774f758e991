//! Reads what `provision/host/facts.sh` and `probe.sh` say, each after `vitals.sh`.

use std::time::Duration;

use crate::model::{
    Facts, Role,
    facts::{FileOnDisk, InstalledUnit, Listener, NicAddress, Owner},
    probe::Probe,
};

/// When the machine's clock was read, by this computer's clock, as time since 1970.
pub type ReadAt = Duration;

/// Returns the facts; lines that are not understood are passed over.
pub fn facts(text: &str, read_at: ReadAt) -> Facts {
    let mut facts = Facts::default();
    for (key, value) in pairs(text) {
        let words = || value.split_whitespace().map(str::to_owned).collect();
        match key {
            "time" => facts.clock_ahead = clock_ahead(value, read_at),
            "booted" | "started" => facts.since = facts.since.max(value.parse().ok()),
            "arch" => facts.arch = debian_arch(value).into(),
            "hostname" => facts.hostname = value.into(),
            "machine-id" => facts.machine_id = value.into(),
            "os" => facts.os = value.into(),
            "cpus" => facts.cpus = value.parse().unwrap_or_default(),
            "init" => facts.init = value.into(),
            "memory-kib" => facts.memory = kib(value).unwrap_or_default(),
            "swap-kib" => facts.swap = kib(value).unwrap_or_default(),
            "disk-free-kib" => facts.disk_free = kib(value),
            "missing" => facts.missing.push(value.into()),
            "cgroups" => facts.cgroups = words(),
            "address" => facts.addresses.extend(address(value)),
            "default-route" => facts.has_default_route = true,
            "listening" => facts.listening.extend(listener(value)),
            "firewall" => facts.firewall = Some(value.into()),
            "cloud-init" => facts.booting = true,
            "data" if value == "server" => facts.k3s.server_data = true,
            "data" => facts.k3s.agent_data = true,
            "cluster" => facts.k3s.owner = Owner::parse(value),
            "unit" => facts.k3s.units.extend(unit(value)),
            "active" => {
                let (name, active) = value.split_once(' ').unwrap_or((value, "unknown"));
                if let Some(unit) = facts.k3s.units.iter_mut().find(|unit| unit.role.unit() == name) {
                    unit.active = active.into();
                }
            }
            "joined" => facts.k3s.joined = Some(value.into()),
            "started-with" => facts.k3s.started_with = Some(value.into()),
            "file" => facts.files.extend(file(value)),
            _ => {}
        }
    }
    facts
}

/// Returns what the machine sees; lines that are not understood are passed over.
pub fn probe(text: &str, read_at: ReadAt) -> Probe {
    let mut probe = Probe::default();
    for (key, value) in pairs(text) {
        match key {
            "time" => probe.clock_ahead = clock_ahead(value, read_at),
            "disk-free-kib" => probe.disk_free = kib(value),
            "address" => probe.addresses.extend(address(value)),
            "server" => probe.server = Some(value.into()),
            "route" => probe.route = Some(value.into()),
            _ => {}
        }
    }
    probe
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(' ')).map(|(key, value)| (key, value.trim()))
}

fn kib(text: &str) -> Option<u64> {
    Some(text.parse::<u64>().ok()? << 10)
}

fn clock_ahead(text: &str, read_at: ReadAt) -> i64 {
    let seconds: f64 = text.parse().unwrap_or_default();
    ((seconds - read_at.as_secs_f64()) * 1000.0) as i64
}

fn debian_arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv8l" => "arm",
        other => other,
    }
}

fn address(value: &str) -> Option<NicAddress> {
    let (nic, address) = value.split_once(' ')?;
    Some(NicAddress { nic: nic.into(), address: address.parse().ok()? })
}

fn listener(value: &str) -> Option<Listener> {
    let (port, process) = value.split_once(' ')?;
    Some(Listener { port: port.parse().ok()?, process: process.into() })
}

fn unit(value: &str) -> Option<InstalledUnit> {
    let (name, whose) = value.split_once(' ')?;
    let role = [Role::Server, Role::Agent].into_iter().find(|role| role.unit() == name)?;
    Some(InstalledUnit { role, ours: whose == "ours", active: "unknown".into() })
}

fn file(value: &str) -> Option<FileOnDisk> {
    let mut words = value.splitn(3, ' ');
    let mode = u32::from_str_radix(words.next()?, 8).ok()?;
    Some(FileOnDisk { mode, sha256: words.next()?.into(), path: words.next()?.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_says_what_it_is() {
        let text = "time 1000.250\nbooted 900\narch x86_64\nmemory-kib 2048\ncgroups cpu memory \naddress eth0 10.0.0.4\n\
            default-route via 10.0.0.1 dev eth0\nlistening 6443 nginx\ndata server\n\
            cluster 0c1 school server-1 server\nunit k3s ours\nactive k3s active\nstarted 950\nstarted \nfile 600 ab /etc/rancher/k3s/config.yaml\n\
            something new\n";
        let facts = facts(text, Duration::from_secs(1000));
        assert_eq!((facts.arch.as_str(), facts.memory, facts.clock_ahead), ("amd64", 2 << 20, 250));
        assert_eq!(facts.since, Some(950));
        assert_eq!(facts.cgroups, ["cpu", "memory"]);
        assert_eq!(facts.addresses[0].nic, "eth0");
        assert!(facts.has_default_route && facts.k3s.server_data && !facts.k3s.agent_data);
        assert_eq!(facts.listening, [Listener { port: 6443, process: "nginx".into() }]);
        assert_eq!(facts.k3s.active(Role::Server), Some("active"));
        assert_eq!(facts.k3s.owner.unwrap().machine, "server-1");
        assert_eq!((facts.files[0].mode, facts.files[0].path.as_str()), (0o600, "/etc/rancher/k3s/config.yaml"));
    }

    #[test]
    fn a_probe_says_what_the_server_port_met() {
        let probe = probe("time 1.0\nserver Connection refused\nroute 10.0.0.4 dev eth0\n", Duration::from_secs(61));
        assert_eq!(probe.server.as_deref(), Some("Connection refused"));
        assert_eq!(probe.clock_ahead, -60_000);
    }
}
