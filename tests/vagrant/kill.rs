//! Runs that end in the midst of what they do, as a power cut or a closed laptop ends them.

use std::fs;

use rustix::process::Signal;

use crate::{
    change::{another_network_is_refused, another_size_restarts_one_machine},
    computer::{disks, domains, processes},
    lost,
    project::Project,
    rig,
    running::{Running, eventually, kill},
};

/// How far a `create` has come.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Vagrant has been started.
    Vagrant,
    /// The disk of a machine is there.
    Disk,
    /// A machine is defined.
    Machine,
    /// The machines boot.
    Boot,
    /// A machine is given its keys.
    Provision,
    /// K3s is on its way to the machines.
    Install,
}

/// Whom a kill ends.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// The orchestrator: the Vagrant that it started goes on alone.
    Alone,
    /// Everything that it started too.
    All,
}

impl Moment {
    fn is_there(self, project: &Project, running: &Running) -> bool {
        let says = |words: &str| fs::read_to_string(&running.stderr).unwrap().contains(words);
        match self {
            Self::Vagrant => processes(&project.name).iter().any(|(_, line)| line.contains("vagrant up")),
            Self::Disk => !disks(&project.name).is_empty(),
            Self::Machine => !domains(&project.name).is_empty(),
            Self::Boot => says("Waiting for domain to get an IP address"),
            Self::Provision => says("Running provisioner"),
            Self::Install => says("Check machines"),
        }
    }
}

/// Runs `create` and kills it.
#[track_caller]
fn kill_at(project: &Project, moment: Moment, victim: Victim) {
    println!("killed: {victim:?} at {moment:?}");
    let mut running = project.spawn(&["create"]);
    eventually("a moment to kill", || {
        assert!(!running.has_ended(), "{}", fs::read_to_string(&running.stderr).unwrap());
        moment.is_there(project, &running).then_some(())
    });
    let leader = running.pid();
    running.kill();
    if let Victim::All = victim {
        end_session(leader);
    }
}

/// Kills every process of the session that a process began.
fn end_session(leader: u32) {
    for (number, _) in processes("") {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let session = stat.rsplit(')').next().unwrap().split_whitespace().nth(3);
        if session == Some(&leader.to_string()) {
            kill(number, Signal::KILL);
        }
    }
}

#[test]
fn what_was_killed_is_destroyed_without_a_trace() {
    let project = Project::new(1);
    let moments = [Moment::Vagrant, Moment::Disk, Moment::Machine, Moment::Boot, Moment::Install];
    for (moment, victim) in moments.into_iter().zip([Victim::Alone, Victim::All].into_iter().cycle()) {
        kill_at(&project, moment, victim);
        project.run(&["destroy", "--yes"]).ok();
        project.has_left_nothing();
    }
}

#[test]
fn what_was_killed_is_finished_by_the_next_create_and_lives_on() {
    let mut project = Project::new(1);
    project.vagrant = "addresses = \"dhcp\"\nnetwork = \"192.168.199.0/24\"".into();
    project.configure();
    kill_while_the_box_is_sent(&project);
    let moments = [Moment::Disk, Moment::Machine, Moment::Boot, Moment::Provision];
    for (moment, victim) in moments.into_iter().zip([Victim::Alone, Victim::All].into_iter().cycle()) {
        kill_at(&project, moment, victim);
    }
    project.run(&["create"]).ok();
    project.is_whole();
    for machine in project.machines() {
        assert!(machine.address.starts_with("192.168.199."), "{machine:?}");
    }
    another_size_restarts_one_machine(&mut project);
    another_network_is_refused(&mut project, "192.168.199.0/24", "192.168.198.0/24");
    lost::leaves_nothing(&project);
}

/// Has libvirt hold a part of the box's image.
#[track_caller]
fn kill_while_the_box_is_sent(project: &Project) {
    rig::forget_uploaded();
    let running = project.spawn(&["create"]);
    let whole = fs::metadata(rig::folder().join("debian12.box")).unwrap().len();
    let sent = || {
        let image = disks(rig::IMAGE).pop()?;
        Some(fs::metadata(rig::folder().join("pool").join(image)).ok()?.len())
    };
    eventually("an upload", || sent().filter(|size| (1 << 20..whole / 2).contains(size)));
    let leader = running.pid();
    running.kill();
    end_session(leader);
    assert!(sent().unwrap() < whole, "it was sent to the end");
}
