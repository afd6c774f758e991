use std::time::{Duration, Instant};

use crate::lab::Lab;

/// Numbers that look random and come again for the same seed.
struct Dice(u64);

impl Dice {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % end
    }
}

/// Starts a command and kills it at a random moment of the time that it usually takes, early moments more often: most
/// happens there, and with little to do it ends there. Returns whether it was killed: it may have ended before.
fn kill_within(lab: &Lab, arguments: &[&str], usual: Duration, dice: &mut Dice) -> bool {
    let span = usual.as_millis() as u64 >> dice.below(5);
    let moment = Instant::now() + Duration::from_millis(dice.below(span.max(1)));
    let mut running = lab.spawn(arguments);
    while Instant::now() < moment && !running.has_ended() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let in_time = !running.has_ended();
    running.kill();
    in_time
}

#[test]
fn what_was_killed_is_finished_by_the_next_create() {
    is_finished_after(&Lab::new(1, 2), 44);
}

#[test]
fn three_servers_that_were_killed_in_the_making_are_one_cluster() {
    is_finished_after(&Lab::new(3, 3), 6);
}

#[test]
fn what_a_killed_command_began_on_a_machine_ends_before_the_next_acts() {
    let lab = Lab::new(1, 0);
    lab.run(&["create"]).ok();
    let machine = lab.machine("s1");
    // A container that takes 6 s to end, below what looks like containerd's shim: ending the pods waits for it.
    machine.write(
        "/tmp/container",
        "trap 'touch /tmp/told; sleep 6; date +%s.%N >/tmp/ended; exit' TERM\nsleep 600 &\nwait\n",
    );
    machine.write("/tmp/shim", "#!/bin/sh\nsh /tmp/container &\nwait\n");
    machine.sh("ln -s /bin/sh /tmp/containerd-shim-runc-v2; \
        setsid /tmp/containerd-shim-runc-v2 /tmp/shim -address /run/k3s/containerd.sock >/dev/null 2>&1 &");
    let destroy = lab.spawn(&["destroy", "--yes"]);
    machine.until("test -e /tmp/told");
    destroy.kill();

    lab.run(&["create"]).ok();
    lab.is_whole();
    let ended: f64 = machine.sh("cat /tmp/ended").trim().parse().unwrap();
    let started: f64 = machine.sh("stat -c %.Y /run/orchestrator-k3s-started").trim().parse().unwrap();
    assert!(started > ended, "K3s was started at {started}, while pods were being ended until {ended}");
    lab.run(&["destroy", "--yes"]).ok();
}

#[test]
fn nodes_that_a_killed_start_started_are_waited_for() {
    let lab = Lab::new(1, 1);
    lab.run(&["create"]).ok();
    lab.run(&["stop"]).ok();
    let start = lab.spawn(&["start"]);
    lab.machine("a1").until("! systemctl is-active k3s-agent | grep -q inactive");
    start.kill();
    lab.run(&["create"]).ok();
    lab.is_whole();
    lab.run(&["destroy", "--yes"]).ok();
}

/// Kills commands so many times, and now and then has `create` finish what they left.
fn is_finished_after(lab: &Lab, wanted: u32) {
    let seed = std::env::var("ORCHESTRATOR_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut dice = Dice(seed.unwrap_or(std::process::id().into()));
    println!("ORCHESTRATOR_SEED={}", dice.0);
    let began = Instant::now();
    lab.run(&["create"]).ok();
    let create = began.elapsed();
    lab.is_whole();
    lab.creates_nothing();
    let (mut kills, mut creates) = (0, 0);
    while kills < wanted {
        // What is killed: what ends the cluster, stops it, or makes it from what the others left.
        let ended: &[&str] = match dice.below(4) {
            0 => &["destroy", "--yes"],
            1 => &["stop"],
            2 => &["start"],
            _ => &["create"],
        };
        kills += u32::from(kill_within(lab, ended, create / 4, &mut dice));
        if dice.below(2) == 0 {
            lab.run(&["destroy", "--yes"]).ok();
        }
        for _ in 0..dice.below(3) {
            kills += u32::from(kill_within(lab, &["create"], create, &mut dice));
        }
        println!("{kills} kills, the last begun with {ended:?}");
        lab.run(&["create"]).ok();
        lab.is_whole();
        creates += 1;
    }
    println!("{kills} kills, {creates} times made whole, each `create` from nothing takes {create:?}");
    lab.creates_nothing();
    lab.run(&["destroy", "--yes"]).ok();
    for machine in &lab.machines {
        assert_eq!(machine.k3s_processes(), [""; 0], "{}", machine.name);
    }
}
