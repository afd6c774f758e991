//! What goes wrong before K3s is asked to start: each cause has its id, names its machine and says what to do next.

use std::fs;

use crate::lab::{Lab, ended};

/// Checks that nothing was put on a machine.
#[track_caller]
fn is_untouched(lab: &Lab) {
    for machine in &lab.machines {
        let left = machine.sh("ls -d /usr/local/bin/k3s /etc/rancher /var/lib/rancher 2>/dev/null; true");
        assert_eq!(left, "", "{}", machine.name);
    }
}

#[test]
fn every_problem_of_every_machine_is_told_at_once() {
    let lab = Lab::new(1, 4);
    lab.machine("s1").sh("mkdir -p /run/sshd && /usr/sbin/sshd -p 6443");
    let clock = "#!/bin/sh\nexec /usr/bin/date --date '+90 seconds' \"$@\"\n";
    lab.machine("a1").write("/usr/local/bin/date", clock);
    lab.machine("a1").sh("chmod 755 /usr/local/bin/date");
    let id = lab.machine("s1").sh("cat /etc/machine-id");
    lab.machine("a2").write("/etc/machine-id", &id);
    lab.machine("a3").sh("ip route del default");
    lab.machine("a4").write("/etc/systemd/system/k3s-agent.service", "[Service]\nExecStart=/usr/local/bin/k3s agent\n");

    let refused = lab.run(&["create"]).exits(3);
    let refused = refused.says("PRE-015").says("machine `s1` has port 6443 taken").says("`sshd` listens on it");
    let refused = refused.says("ssh s1 -- sudo ss -ltnp sport = :6443");
    let refused = refused.says("PRE-012").says("machine `a1` has a wrong clock: ").says(" s ahead of this computer's");
    let refused = refused.says("ssh a1 -- sudo timedatectl set-ntp true");
    let refused = refused.says("PRE-017").says("machines `s1` and `a2` have the same /etc/machine-id");
    let refused =
        refused.says("PRE-014").says("machine `a3` has no default route").says("ip route add default dev eth0");
    refused.says("PRE-016").says("machine `a4` has a K3s already").says("ssh a4 -- k3s-uninstall.sh");
    is_untouched(&lab);
}

#[test]
fn a_machine_that_is_listed_under_two_names_is_one_machine() {
    let lab = Lab::new(1, 0);
    let server = lab.machine("s1");
    fs::write(lab.home(".ssh/config"), format!("Host other\nHostName {}\n", server.address)).unwrap();
    let known = fs::read_to_string(lab.home(".ssh/known_hosts")).unwrap();
    fs::write(lab.home(".ssh/known_hosts"), known.clone() + &known.replace(&server.address, "other")).unwrap();
    let twice = lab.host_line(server)
        + "[[ssh.hosts]]\nname = \"a1\"\nrole = \"agent\"\naddress = \"other\"\nuser = \"root\"\n";
    lab.write(&twice);
    lab.run(&["create"]).exits(3).says("PRE-017").says("machines `s1` and `a1` are one and the same machine");
    is_untouched(&lab);
}

#[test]
fn a_changed_host_key_ends_it_before_anything_is_sent() {
    let lab = Lab::new(1, 1);
    let known = fs::read_to_string(lab.home(".ssh/known_hosts")).unwrap();
    let (server, agent) = (lab.machine("s1"), lab.machine("a1"));
    let others = agent.known.replace(&agent.address, &server.address);
    fs::write(lab.home(".ssh/known_hosts"), format!("{others}\n{}\n", agent.known)).unwrap();
    let refused = lab.run(&["create"]).exits(5).says("error[SSH-003]").says("machine `s1` has another host key");
    refused.says("ssh-keygen -R").says("known_hosts").says_not("`a1` has");
    is_untouched(&lab);

    fs::write(lab.home(".ssh/known_hosts"), agent.known.clone() + "\n").unwrap();
    let unknown = lab.run(&["create"]).exits(5).says("error[SSH-002]").says("machine `s1` has a host key that nobody");
    unknown.says("there is no terminal to ask on");
    is_untouched(&lab);

    fs::write(lab.home(".ssh/known_hosts"), known).unwrap();
    lab.run(&["create"]).ok();
    lab.is_whole();
}

#[test]
fn a_machine_that_does_not_come_up_is_named_and_the_others_are_left_alone() {
    let lab = Lab::new(1, 2);
    crate::docker::docker(&["stop", "--time", "0", &lab.machine("a2").container]);
    let refused = lab.run(&["create"]).exits(5).says("error[SSH-001]").says("machine `a2`").says("no route to it");
    refused.says_not("machine `a1`");
    is_untouched_but(&lab, "a2");
    crate::docker::docker(&["start", &lab.machine("a2").container]);
    lab.machine("a2").sh("ip route replace default dev eth0");
    lab.run(&["create"]).ok();
    lab.is_whole();
}

#[track_caller]
fn is_untouched_but(lab: &Lab, name: &str) {
    for machine in lab.machines.iter().filter(|machine| machine.name != name) {
        let left = machine.sh("ls -d /usr/local/bin/k3s /etc/rancher /var/lib/rancher 2>/dev/null; true");
        assert_eq!(left, "", "{}", machine.name);
    }
}

#[test]
fn sudo_that_asks_for_a_password_is_given_one() {
    let mut lab = Lab::new(1, 1);
    for machine in &lab.machines {
        machine.write("/etc/sudoers.d/student", "student ALL=(ALL) ALL\n");
    }
    lab.user = "student";
    lab.configure();
    let refused =
        lab.run(&["create"]).exits(5).says("error[SSH-006]").says("`s1` gives no root").says("`a1` gives no root");
    refused.says("sudo wants a password").says("ORCHESTRATOR_SUDO_PASSWORD");
    is_untouched(&lab);

    lab.env("ORCHESTRATOR_SUDO_PASSWORD", "wrong");
    lab.run(&["create"]).exits(5).says("error[SSH-006]").says("sudo does not take the password");
    is_untouched(&lab);

    lab.env("ORCHESTRATOR_SUDO_PASSWORD", "student");
    lab.run(&["create"]).ok();
    lab.is_whole();
    lab.creates_nothing();
    lab.run(&["destroy", "--yes"]).ok();
    is_untouched(&lab);
}

#[test]
fn a_full_disk_is_found_before_and_during_the_installation() {
    let mut lab = Lab::new(1, 1);
    lab.add("a2", "agent", &["--tmpfs", "/var/lib/rancher:size=1g", "--tmpfs", "/usr/local/bin:size=1m"]);
    let full = lab.run(&["create"]).exits(3).says("error[PRE-013]").says("machine `a2` has a full disk");
    full.says("No space left on device").says("ssh a2 -- df -h");
    // The others were carried on.
    for name in ["s1", "a1"] {
        lab.machine(name).until(&format!("systemctl is-active {}", lab.machine(name).unit()));
    }
    let given_back = lab.take_out("a2");
    lab.run(&["create"]).ok();
    lab.is_whole();
    drop(given_back);

    lab.add("a3", "agent", &["--tmpfs", "/var/lib:size=100m"]);
    let refused = lab.run(&["create"]).exits(3).says("error[PRE-013]").says("machine `a3` has ");
    refused.says("MiB free below /var/lib").says("ssh a3 -- df -h /var/lib");
    assert_eq!(lab.machine("a3").sh("ls /etc/rancher 2>/dev/null; true"), "");
}

/// Takes the network from a machine as soon as `moment` ends well on it, and gives it back after so many seconds.
fn cut(lab: &Lab, name: &str, moment: &str, seconds: &str) {
    let script = format!(
        "until {moment}; do :; done; touch /var/cut; ip link set eth0 down; sleep {seconds}; ip link set eth0 up; \
         ip route add default dev eth0"
    );
    crate::docker::docker(&["exec", "--detach", &lab.machine(name).container, "sh", "-c", &script]);
}

const UPLOAD: &str = "test -s /usr/local/bin/.k3s.part.*";

#[test]
fn a_network_that_comes_back_is_no_failure() {
    let lab = Lab::new(1, 2);
    cut(&lab, "a1", UPLOAD, "8");
    cut(&lab, "a2", "systemctl is-active --quiet k3s-agent", "8");
    lab.run(&["create"]).ok();
    for name in ["a1", "a2"] {
        lab.machine(name).sh("test -e /var/cut");
    }
    lab.is_whole();
    lab.creates_nothing();
}

#[test]
fn a_network_that_stays_away_ends_it_with_the_cause() {
    let lab = Lab::new(1, 2);
    cut(&lab, "a1", UPLOAD, "100000");
    let lost = lab.run(&["create"]).exits(5).says("machine `a1`").says_not("machine `a2`");
    assert!(lost.stderr.contains("SSH-007") || lost.stderr.contains("SSH-001"), "{lost}");
    lab.machine("a1").sh("test -e /var/cut");
    lab.machine("s1").until("systemctl is-active k3s");
    lab.machine("a2").until("systemctl is-active k3s-agent");

    lab.machine("a1").sh("ip link set eth0 up; ip route add default dev eth0");
    lab.run(&["create"]).ok();
    lab.is_whole();
    assert_eq!(lab.machine("a1").sh("ls -A /usr/local/bin | grep part; true"), "");
}

#[test]
fn a_run_that_waits_can_be_left_and_gone_on_with() {
    let lab = Lab::new(1, 1);
    lab.machine("a1").sh("iptables -A OUTPUT -p tcp --dport 6443 -j REJECT");
    let waiting = lab.spawn(&["create"]);
    waiting.until_it_says("a1 has not joined");
    waiting.signal(rustix::process::Signal::INT);
    ended(waiting).exits(130).says("INT-001");
    lab.machine("a1").sh("iptables -F OUTPUT");
    lab.run(&["create"]).ok();
    lab.is_whole();
}
