//! What changes on a cluster that lives.

use crate::{computer::virsh, project::Project};

/// The memory of a virtual machine in KiB, as libvirt says it.
#[track_caller]
fn memory(project: &Project, machine: &str) -> u64 {
    let domain = project.uuids().into_iter().find(|(name, _)| name.ends_with(machine)).unwrap().0;
    let said = virsh(&["dominfo", &domain]);
    let line = said.lines().find_map(|line| line.strip_prefix("Max memory:")).unwrap();
    line.trim().trim_end_matches(" KiB").parse().unwrap()
}

#[track_caller]
fn boots(project: &Project) -> Vec<String> {
    let machines = project.machines();
    machines.iter().map(|machine| project.sh(machine, "cat /proc/sys/kernel/random/boot_id")).collect()
}

/// Gives the only agent more memory: it is restarted, and nothing else.
#[track_caller]
pub fn another_size_restarts_one_machine(project: &mut Project) {
    let (uuids, before) = (project.uuids(), boots(project));
    assert_eq!(memory(project, "agent-1"), u64::from(project.agent_memory) << 10);
    project.agent_memory += 128;
    project.configure();
    project.run(&["plan"]).ok().says("agent-1").says_not("server-1");
    project.run(&["create"]).ok();
    project.is_whole();
    assert_eq!(memory(project, "agent-1"), u64::from(project.agent_memory) << 10);
    assert_eq!(project.uuids(), uuids);
    let after = boots(project);
    assert_eq!(after[0], before[0], "the server was restarted too");
    assert_ne!(after[1], before[1]);
    project.creates_nothing();
}

/// Configures another network: machines do not move.
#[track_caller]
pub fn another_network_is_refused(project: &mut Project, from: &str, to: &str) {
    project.vagrant = project.vagrant.replace(from, to);
    project.configure();
    let why = format!("the machines live in the network {from}, and `[vagrant] network` says {to}");
    project.run(&["create"]).exits(3).says("error[PRE-024]").says(&why);
}
