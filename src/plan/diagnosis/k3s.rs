//! Why K3s does not come up on a machine: from what its unit wrote and what the machine sees, to a cause.

use super::super::preflight::CLOCK;
use crate::{
    failure::{
        BINARY_NOT_RUNNABLE, CGROUPS_MISSING, CLOCK_WRONG, DATASTORE_FOREIGN, DISK_FULL, ETCD_MEMBER_REMOVED,
        ETCD_NO_QUORUM, ETCD_TOO_MANY_LEARNERS, Entry, Failure, Kind, NETWORK_NOT_READY, NODE_ADDRESS_MISSING,
        NODE_NEVER_JOINED, NODE_PASSWORD_REJECTED, OUT_OF_MEMORY, PORT_TAKEN, SERVER_NOT_REACHABLE, SETTING_REFUSED,
        TOKEN_REJECTED, UNIT_FAILED, WRONG_CA,
    },
    model::{Machine, probe::Probe},
};

/// What K3s writes, what it means, and what to do. `{machine}` stands for the machine's name.
struct Sign {
    /// Any of these in a line of the journal.
    words: &'static [&'static str],
    entry: &'static Entry,
    /// It does not pass by itself.
    hopeless: bool,
    because: &'static str,
    hint: &'static str,
}

const SIGNS: &[Sign] = &[
    Sign {
        words: &["Node password rejected", "Node password validation failed"],
        entry: &NODE_PASSWORD_REJECTED,
        hopeless: true,
        because: "the cluster knows another machine by this name: it was rebuilt, or the name is used twice",
        hint: "kubectl delete node {machine}, then ./orchestrator create",
    },
    Sign {
        words: &["CA hash does not match", "token CA hash"],
        entry: &WRONG_CA,
        hopeless: true,
        because: "the server that answers is not of this cluster, or the cluster was made anew",
        hint: "./orchestrator create",
    },
    Sign {
        words: &["bootstrap data already found and encrypted with different token"],
        entry: &DATASTORE_FOREIGN,
        hopeless: true,
        because: "the machine holds the data of a cluster that was begun with another token",
        hint: "./orchestrator ssh {machine} -- sudo ls -l /var/lib/rancher/k3s/server/db",
    },
    Sign {
        words: &["not authorized", "401 Unauthorized", "invalid token", "Unauthorized"],
        entry: &TOKEN_REJECTED,
        hopeless: true,
        because: "the server refused the token",
        hint: "./orchestrator create",
    },
    Sign {
        words: &["certificate has expired or is not yet valid"],
        entry: &CLOCK_WRONG,
        hopeless: true,
        because: "certificates are not valid at the time that the machine's clock says",
        hint: "./orchestrator ssh {machine} -- timedatectl",
    },
    Sign {
        words: &["bind: address already in use"],
        entry: &PORT_TAKEN,
        hopeless: true,
        because: "another program listens on a port that K3s needs",
        hint: "./orchestrator ssh {machine} -- sudo ss -ltnp",
    },
    Sign {
        words: &["flag provided but not defined", "unknown flag", "failed to parse kubelet flag", "unknown command"],
        entry: &SETTING_REFUSED,
        hopeless: true,
        because: "this release of K3s does not know a setting of `[k3s.config]`",
        hint: "./orchestrator ssh {machine} -- sudo cat /etc/rancher/k3s/config.yaml",
    },
    Sign {
        words: &["too many learner members"],
        entry: &ETCD_TOO_MANY_LEARNERS,
        hopeless: false,
        because: "another server is joining at this moment",
        hint: "./orchestrator create",
    },
    Sign {
        words: &[
            "has been removed from the cluster",
            "member count is unequal",
            "removed from etcd",
            "is a not a member of the etcd cluster",
        ],
        entry: &ETCD_MEMBER_REMOVED,
        hopeless: true,
        because: "this server was taken out of the cluster, and its data is of no use any more",
        hint: "take the machine out of orchestrator.toml, ./orchestrator create, and add it again",
    },
    Sign {
        words: &[
            "etcdserver: request timed out",
            "etcdserver: no leader",
            "lost leader",
            "context deadline exceeded; etcd",
        ],
        entry: &ETCD_NO_QUORUM,
        hopeless: false,
        because: "a majority of the servers must be there for the datastore to work",
        hint: "./orchestrator status",
    },
    Sign {
        words: &["failed to find memory cgroup", "failed to find cpuset cgroup", "cgroup controllers"],
        entry: &CGROUPS_MISSING,
        hopeless: true,
        because: "the kernel has cgroup controllers off that the kubelet needs: `cgroup_memory=1 cgroup_enable=memory` in \
                  the kernel's command line switches them on",
        hint: "./orchestrator logs {machine}",
    },
    Sign {
        words: &["no space left on device"],
        entry: &DISK_FULL,
        hopeless: true,
        because: "the disk is full",
        hint: "./orchestrator ssh {machine} -- df -h /var/lib",
    },
    Sign {
        words: &[
            "no default routes found",
            "unable to find interface",
            "failed to find interface",
            "no such network interface",
            "Could not find valid interface",
        ],
        entry: &NODE_ADDRESS_MISSING,
        hopeless: true,
        because: "K3s does not find the network interface of the node's address, or a default route",
        hint: "./orchestrator ssh {machine} -- ip address",
    },
    Sign {
        words: &["Exec format error", "status=203/EXEC", "Failed at step EXEC", "Failed to execute /usr/local/bin/k3s"],
        entry: &BINARY_NOT_RUNNABLE,
        hopeless: true,
        because: "/usr/local/bin/k3s is not there, or was made for another processor",
        hint: "./orchestrator ssh {machine} -- file /usr/local/bin/k3s",
    },
    Sign {
        words: &["oom-kill", "Out of memory", "status=9/KILL"],
        entry: &OUT_OF_MEMORY,
        hopeless: true,
        because: "the kernel ended K3s: the machine has too little memory",
        hint: "./orchestrator ssh {machine} -- free -m",
    },
    Sign {
        words: &["cannot join (ordered in [rehearsal.faults])"],
        entry: &NODE_NEVER_JOINED,
        hopeless: true,
        because: "it was ordered so in [rehearsal.faults]",
        hint: "./orchestrator logs {machine}",
    },
    Sign {
        words: &["cni plugin not initialized", "network plugin is not ready", "NetworkPluginNotReady"],
        entry: &NETWORK_NOT_READY,
        hopeless: false,
        because: "the pod network is not set up on the node",
        hint: "./orchestrator logs {machine}",
    },
];

impl Sign {
    fn failure(&self, machine: &Machine, line: &str) -> Failure {
        // The cause may be one that is also found before anything is done; the phase is K3s's.
        let what = format!("K3s on machine `{}` does not come up", machine.name);
        Failure { kind: Kind::K3s, ..Failure::new(self.entry, what) }
            .because(self.because)
            .because(line)
            .hint(self.hint.replace("{machine}", &machine.name))
    }
}

/// Returns the failure that a unit's last lines show to be final: waiting longer is of no use.
pub fn hopeless(machine: &Machine, journal: &str) -> Option<Failure> {
    let (sign, line) = signs(journal).find(|(sign, _)| sign.hopeless)?;
    Some(sign.failure(machine, line))
}

/// Returns why a unit failed or a wait for it ended: the most telling line, else what the machine sees.
pub fn cause(machine: &Machine, journal: &str, probe: Option<&Probe>) -> Failure {
    if let Some((sign, line)) = signs(journal).next() {
        return sign.failure(machine, line);
    }
    if let Some(failure) = probe.and_then(|probe| seen(machine, probe)) {
        return failure;
    }
    let fatal = journal.lines().rev().find(|line| line.contains("level=fatal"));
    let error = journal.lines().rev().find(|line| line.contains("level=error"));
    let (entry, what) = match fatal {
        Some(_) => (&UNIT_FAILED, format!("unit `{}` of machine `{}` failed", machine.role.unit(), machine.name)),
        None => (&NODE_NEVER_JOINED, format!("K3s on machine `{}` cannot join", machine.name)),
    };
    let failure = Failure::new(entry, what).hint(format!("./orchestrator logs {}", machine.name));
    match fatal.or(error) {
        Some(line) => failure.because(line),
        None => failure,
    }
}

fn signs(journal: &str) -> impl Iterator<Item = (&'static Sign, &str)> {
    SIGNS.iter().filter_map(|sign| {
        let line = journal.lines().rev().find(|line| sign.words.iter().any(|words| line.contains(words)))?;
        Some((sign, line))
    })
}

/// Returns what is wrong with the machine's surroundings, if K3s did not say it itself.
fn seen(machine: &Machine, probe: &Probe) -> Option<Failure> {
    let name = &machine.name;
    let failure = |entry, what: String| Failure { kind: Kind::K3s, ..Failure::new(entry, what) };
    if probe.clock_ahead.abs() > CLOCK {
        let what = format!("machine `{name}` has a clock that is {} s off", probe.clock_ahead / 1000);
        return Some(failure(&CLOCK_WRONG, what).hint(format!("./orchestrator ssh {name} -- timedatectl")));
    }
    if probe.disk_free.is_some_and(|free| free < 50 << 20) {
        let what = format!("machine `{name}` has a full disk");
        return Some(failure(&DISK_FULL, what).hint(format!("./orchestrator ssh {name} -- df -h /var/lib")));
    }
    let answer = probe.server.as_deref().filter(|answer| *answer != "open")?;
    let what = format!("machine `{name}` does not reach the server's port 6443: {answer}");
    let failure = failure(&SERVER_NOT_REACHABLE, what).because("a firewall or a missing route is between them");
    let failure = probe.route.iter().fold(failure, |failure, route| failure.because(format!("the way there: {route}")));
    Some(failure.hint(format!("./orchestrator ssh {name} -- ip route")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MachineState, Role};

    fn machine() -> Machine {
        Machine { name: "a1".into(), role: Role::Agent, state: MachineState::Running, address: "10.0.0.4".into() }
    }

    #[track_caller]
    fn case(line: &str, entry: &Entry) {
        let journal = format!("level=info msg=\"Starting k3s\"\n{line}\nlevel=info msg=\"more\"");
        let failure = cause(&machine(), &journal, None);
        assert_eq!(failure.id, entry.id, "{failure}");
        assert!(failure.because.iter().any(|because| because == line), "{failure:?}");
        assert!(failure.hint.is_some());
    }

    #[test]
    fn what_k3s_writes_tells_the_cause() {
        case(
            "level=fatal msg=\"starting kubernetes: bootstrap data already found and encrypted with different token\"",
            &DATASTORE_FOREIGN,
        );
        case("level=error msg=\"Node password rejected, duplicate hostname\"", &NODE_PASSWORD_REJECTED);
        case("level=fatal msg=\"token CA hash does not match the Cluster CA certificate hash: a != b\"", &WRONG_CA);
        case("level=fatal msg=\"https://10.0.0.4:6443/v1-k3s/serving-kubelet.crt: 401 Unauthorized\"", &TOKEN_REJECTED);
        case("level=error msg=\"x509: certificate has expired or is not yet valid: current time\"", &CLOCK_WRONG);
        case("level=fatal msg=\"listen tcp :6443: bind: address already in use\"", &PORT_TAKEN);
        case("level=fatal msg=\"flag provided but not defined: -nonsense\"", &SETTING_REFUSED);
        case("level=fatal msg=\"etcdserver: too many learner members in cluster\"", &ETCD_TOO_MANY_LEARNERS);
        case("level=fatal msg=\"this server has been removed from the cluster\"", &ETCD_MEMBER_REMOVED);
        case("level=error msg=\"etcdserver: no leader\"", &ETCD_NO_QUORUM);
        case("level=fatal msg=\"failed to find memory cgroup (v2)\"", &CGROUPS_MISSING);
        case("level=fatal msg=\"write /var/lib/x: no space left on device\"", &DISK_FULL);
        case("level=fatal msg=\"no default routes found in /proc/net/route\"", &NODE_ADDRESS_MISSING);
        case("k3s.service: Failed at step EXEC spawning /usr/local/bin/k3s: Exec format error", &BINARY_NOT_RUNNABLE);
        case("k3s.service: A process of this unit has been killed by the OOM killer: oom-kill", &OUT_OF_MEMORY);
        case("container runtime network not ready: cni plugin not initialized", &NETWORK_NOT_READY);
        case("level=fatal msg=\"something else\"", &UNIT_FAILED);
        case("level=error msg=\"something else\"", &NODE_NEVER_JOINED);
    }

    #[test]
    fn what_passes_by_itself_is_not_hopeless() {
        assert!(hopeless(&machine(), "level=error msg=\"connection refused\"").is_none());
        assert!(hopeless(&machine(), "level=fatal msg=\"too many learner members\"").is_none());
        assert!(hopeless(&machine(), "level=error msg=\"Node password rejected\"").is_some());
    }

    #[test]
    fn what_the_machine_sees_tells_the_cause_when_k3s_does_not() {
        let seen = |probe: Probe| cause(&machine(), "level=error msg=\"x\"", Some(&probe)).id;
        assert_eq!(seen(Probe { clock_ahead: 90_000, ..Probe::default() }), CLOCK_WRONG.id);
        assert_eq!(seen(Probe { disk_free: Some(0), ..Probe::default() }), DISK_FULL.id);
        let refused = Some("Connection refused".to_owned());
        assert_eq!(seen(Probe { server: refused, ..Probe::default() }), SERVER_NOT_REACHABLE.id);
        assert_eq!(seen(Probe { server: Some("open".into()), ..Probe::default() }), NODE_NEVER_JOINED.id);
    }
}
