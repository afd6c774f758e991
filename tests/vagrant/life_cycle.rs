use serde_json::Value;

use crate::{
    computer::{domains, traces, virsh},
    lost::finds_the_machines_again,
    project::Project,
    safety::is_safe,
};

/// What tells one boot of a machine from another.
const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";

#[test]
fn from_nothing_to_virtual_machines_and_back() {
    let mut project = Project::new(1);
    assert_eq!(project.run(&["create"]).ok().last_line(), "cluster created");
    project.is_whole();
    project.creates_nothing();
    project.run(&["plan"]).ok().says("nothing to change");
    every_node_has_the_address_of_its_machine(&project);
    is_safe(&project);

    assert_eq!(project.run(&["stop"]).ok().last_line(), "cluster stopped");
    let status = project.status();
    assert_eq!(status["state"], "stopped", "{status}");
    for domain in domains(&project.name) {
        assert_eq!(virsh(&["domstate", &domain]).trim(), "shut off", "{domain}");
    }
    assert_eq!(project.run(&["start"]).ok().last_line(), "cluster started");
    project.is_whole();

    tells_a_wrong_clock(&project);
    let boots = boots(&project);
    project.agents = 2;
    project.configure();
    project.run(&["plan"]).ok().says("agent-2");
    project.run(&["create"]).ok();
    project.is_whole();
    is_safe(&project);
    project.agents = 1;
    project.configure();
    project.run(&["create"]).ok();
    project.is_whole();
    finds_the_machines_again(&project);
    assert_eq!(self::boots(&project), boots);

    shows_what_would_be_left(&project);
    assert_eq!(project.run(&["destroy", "--yes"]).ok().last_line(), "cluster destroyed");
    project.has_left_nothing();
    assert_eq!(project.run(&["destroy", "--yes"]).ok().last_line(), "cluster destroyed");
}

#[track_caller]
fn boots(project: &Project) -> Vec<String> {
    project.machines().iter().map(|machine| project.sh(machine, BOOT)).collect()
}

/// Only a virtual machine has a clock of its own.
#[track_caller]
fn tells_a_wrong_clock(project: &Project) {
    let machines = project.machines();
    let agent = machines.iter().find(|machine| machine.name.ends_with("agent-1")).unwrap();
    let turn = |by: &str| project.sh(agent, &format!("date -s \"@$(($(date +%s) {by}))\""));
    turn("- 120");
    let ran =
        project.run(&["create"]).exits(3).says("PRE-012").says(&format!("machine `{}`", agent.name)).says("s behind");
    ran.says(&format!("next: orchestrator ssh {} -- sudo timedatectl set-ntp true", agent.name));
    turn("+ 120");
    project.creates_nothing();
}

#[track_caller]
fn every_node_has_the_address_of_its_machine(project: &Project) {
    let nodes: Value = serde_json::from_str(&project.kubectl("get nodes -o json")).unwrap();
    for machine in project.machines() {
        let nodes = nodes["items"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["metadata"]["name"] == machine.name.as_str()).unwrap();
        let addresses = node["status"]["addresses"].as_array().unwrap();
        let internal = addresses.iter().find(|address| address["type"] == "InternalIP").unwrap();
        assert_eq!(internal["address"], machine.address.as_str());
        let held = project.sh(&machine, "ip -o -4 address show dev eth1");
        assert!(held.contains(&format!(" {}/24 ", machine.address)), "{held}");
    }
}

/// Checks that what looks for traces sees them.
#[track_caller]
fn shows_what_would_be_left(project: &Project) {
    let traces = traces(&project.name).join("\n");
    for trace in ["virtual machine ", "disk ", "network ", "dnsmasq", "qemu"] {
        assert!(traces.contains(trace), "{trace} is not seen in:\n{traces}");
    }
    assert_eq!(project.keys().len(), 1);
    let index = project.vagrant_in(&project.home(""), &["global-status"]).stdout;
    let index = String::from_utf8(index).unwrap();
    assert!(index.contains(&format!("{}-server-1", project.name)), "{index}");
}
