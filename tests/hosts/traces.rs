//! What a machine is before and after.

use std::time::{Duration, Instant};

use crate::{lab::Lab, machine::Machine};

/// Everything that an installation could leave on a machine, one thing a line. Left out is what a machine writes about
/// itself all the time: logs and systemd's own notes; and that the network is online, which K3s's unit waits for.
const SNAPSHOT: &str = r#"
LC_ALL=C
except='-path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/log -o -path /var/lib/systemd'
find / \( $except \) -prune -o -type f -print0 | xargs -0 sha256sum | sed 's/^/content /'
find / \( $except \) -prune -o -printf '%y %m %u %p %l\n'
find /run/k3s /run/flannel /run/netns /dev/shm /var/log/pods /var/log/containers 2>/dev/null | sed 's/^/left /'
systemctl list-unit-files --no-legend --no-pager | sed 's/^/unit file /'
systemctl list-units --all --plain --no-legend --no-pager | awk '{ print "unit", $1, $2, $3, $4 }' |
    grep -v 'unit run-\|\.device\|user@\|user-\|network-online.target'
ps -eo user,args --no-headers | grep -v 'ps -eo\|awk\|sort$\| sh$\|grep\|sed' | sed 's/^/process /'
for tables in iptables ip6tables; do
    $tables-save 2>/dev/null | grep -v '^#\|^COMMIT\|^\*\|^:[A-Z]* ACCEPT' | sed "s/^/$tables /"
done
ip -o link show | sed 's/^[0-9]*: /link /; s/ mtu.*//'
ip -o route show | sed 's/^/route /'
mount | sed 's/^/mount /'
"#;

fn snapshot(machine: &Machine) -> Vec<String> {
    let text = machine.sh(SNAPSHOT);
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Returns what is in one and not in the other, as `diff` shows it.
fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

/// Checks that a machine is as it was, once the last connection to it is forgotten.
#[track_caller]
fn is_as_before(machine: &Machine, before: &[String]) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let difference = difference(before, &snapshot(machine));
        if difference.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "{} is not as it was:\n{}", machine.name, difference.join("\n"));
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn destroy_leaves_machines_as_they_were() {
    let lab = Lab::new(1, 1);
    let before: Vec<_> = lab.machines.iter().map(snapshot).collect();
    assert!(before[0].len() > 1000, "{:?}", before[0]);

    lab.run(&["create"]).ok();
    let during = snapshot(&lab.machines[1]);
    let traces = difference(&before[1], &during).join("\n");
    for trace in ["/usr/local/bin/k3s", "k3s-agent.service", "process root"] {
        assert!(traces.contains(trace), "the comparison does not see {trace}:\n{traces}");
    }
    lab.run(&["destroy", "--yes"]).ok();
    for (machine, before) in lab.machines.iter().zip(&before) {
        is_as_before(machine, before);
    }
}

#[test]
fn a_run_that_was_cut_off_is_cleaned_up_without_the_state_directory() {
    let lab = Lab::new(1, 1);
    let before: Vec<_> = lab.machines.iter().map(snapshot).collect();
    let running = lab.spawn(&["create"]);
    running.until_it_says("Install K3s");
    running.kill();
    std::fs::remove_dir_all(lab.path(".orchestrator")).unwrap();
    lab.run(&["destroy", "--yes"]).ok();
    for (machine, before) in lab.machines.iter().zip(&before) {
        is_as_before(machine, before);
    }
}

#[test]
fn an_upload_that_was_cut_off_is_cleaned_up() {
    let lab = Lab::new(1, 1);
    let before: Vec<_> = lab.machines.iter().map(snapshot).collect();
    let running = lab.spawn(&["create", "-o", "json"]);
    running.until_it_says("\"kind\":\"progressed\",\"step\":\"install-k3s\"");
    running.kill();
    lab.run(&["destroy", "--yes"]).ok();
    for (machine, before) in lab.machines.iter().zip(&before) {
        is_as_before(machine, before);
    }
}
