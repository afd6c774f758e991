use serde_json::Value;

use crate::lab::Lab;

/// What tells a cluster from another one.
#[track_caller]
fn identity(lab: &Lab) -> String {
    lab.kubectl("get namespace kube-system -o jsonpath={.metadata.uid}")
}

/// Which of these machines had K3s started anew.
fn restarted(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    before.iter().filter(|known| !after.contains(known)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn machines_come_and_go() {
    let mut lab = Lab::new(1, 1);
    lab.run(&["create"]).ok();
    let before = lab.invocations();

    lab.add("a2", "agent", &[]);
    lab.run(&["status"]).exits(1).says("machine a2 does not exist");
    lab.run(&["create"]).ok();
    lab.is_whole();
    assert_eq!(restarted(&before, &lab.invocations()), [""; 0]);

    lab.kubectl(&format!("create deployment web --image={} --replicas=6", lab.image()));
    lab.kubectl("rollout status deployment web --timeout=60s");
    assert!(lab.kubectl("get pods -o wide").contains(" a2 "));
    let gone = lab.take_out("a2");
    lab.run(&["create"]).ok();
    lab.is_whole();
    assert_eq!(restarted(&before, &lab.invocations()), [""; 0]);
    assert_eq!(gone.k3s_processes(), [""; 0]);
    let left = gone.sh("ls -d /usr/local/bin/k3s /etc/rancher /var/lib/rancher 2>/dev/null; true");
    assert_eq!(left, "");
    lab.kubectl("rollout status deployment web --timeout=60s");
    assert!(!lab.kubectl("get pods -o wide").contains(" a2 "));
    lab.creates_nothing();
}

#[test]
fn a_machine_that_was_made_anew_joins_under_its_old_name() {
    let mut lab = Lab::new(3, 1);
    lab.run(&["create"]).ok();
    lab.is_whole();
    let cluster = identity(&lab);

    lab.rebuild("a1");
    lab.run(&["create"]).ok();
    lab.is_whole();

    // The first server: it joins the others and begins no cluster of its own.
    lab.rebuild("s1");
    lab.run(&["create"]).ok();
    lab.is_whole();
    assert_eq!(identity(&lab), cluster);
    lab.creates_nothing();
}

#[test]
fn settings_restart_only_what_they_are_for() {
    let mut lab = Lab::new(1, 1);
    lab.run(&["create"]).ok();
    let before = lab.invocations();

    lab.settings = "kube-apiserver-arg = [\"v=1\"]".into();
    lab.configure();
    lab.run(&["create"]).ok();
    lab.is_whole();
    assert_eq!(restarted(&before, &lab.invocations()), ["s1"]);
    lab.creates_nothing();

    let before = lab.invocations();
    lab.settings += "\nkubelet-arg = [\"max-pods=100\"]";
    lab.configure();
    lab.run(&["create"]).ok();
    assert_eq!(restarted(&before, &lab.invocations()), ["s1", "a1"]);
    lab.creates_nothing();
}

/// The nodes that a run restarted, in order, each when it began and when it ended.
fn rolled(events: &[Value]) -> Vec<String> {
    let of_roll = events.iter().filter(|event| event["step"] == "roll-nodes");
    let of_work = of_roll.filter_map(|event| match event["kind"].as_str()? {
        "work_started" => Some(format!("{} begins", event["on"].as_str()?)),
        "work_finished" => Some(format!("{} ends", event["on"].as_str()?)),
        _ => None,
    });
    of_work.collect()
}

mod stand_in {
    use super::*;
    use crate::release::{RELEASE, needs_stand_in};

    /// Checks that every node runs this release of K3s.
    #[track_caller]
    fn all_run(lab: &Lab, version: &str) {
        let versions = lab.kubectl("get nodes -o jsonpath={.items[*].status.nodeInfo.kubeletVersion}");
        assert!(versions.split(' ').all(|running| running == version), "{versions}");
    }

    #[test]
    fn a_new_release_goes_from_server_to_server_and_then_to_agents() {
        needs_stand_in();
        let mut lab = Lab::new(3, 2);
        lab.run(&["create"]).ok();
        lab.kubectl("create deployment web --image=web --replicas=3");

        lab.version = "v1.34.1+k3s1".into();
        lab.configure();
        lab.run(&["status"]).exits(1).says("runs v1.33.5+k3s1 and not v1.34.1+k3s1");
        let upgraded = lab.run(&["create", "-o", "json"]).ok();
        lab.is_whole();
        all_run(&lab, "v1.34.1+k3s1");
        let mut expected = Vec::new();
        for name in ["s1", "s2", "s3", "a1", "a2"] {
            expected.extend([format!("{name} begins"), format!("{name} ends")]);
        }
        assert_eq!(rolled(&upgraded.events()), expected);
        let snapshots = lab.machine("s1").sh("ls /var/lib/rancher/k3s/server/db/snapshots");
        assert!(snapshots.contains("before-v1-34-1-k3s1"), "{snapshots}");
        assert!(!lab.kubectl("get nodes").contains("SchedulingDisabled"));
        lab.creates_nothing();
    }

    #[test]
    fn a_release_that_k3s_cannot_go_to_is_refused_and_nothing_is_touched() {
        needs_stand_in();
        let mut lab = Lab::new(1, 1);
        lab.run(&["create"]).ok();
        let state = |lab: &Lab| {
            let files = "sha256sum /usr/local/bin/k3s /etc/rancher/k3s/* /etc/systemd/system/k3s*.service";
            let of = |machine: &crate::machine::Machine| (machine.invocation(), machine.sh(files));
            lab.machines.iter().map(of).collect::<Vec<_>>()
        };
        let before = state(&lab);
        for (version, because) in [
            ("v1.35.0+k3s1", "K3s skips no minor release"),
            ("v1.32.9+k3s1", "K3s does not go back to an older release"),
        ] {
            lab.version = version.into();
            lab.configure();
            let refused = lab.run(&["create"]).exits(6).says("error[K3S-022]").says(because);
            refused.says(&format!("cannot go from {RELEASE} to {version}"));
            assert_eq!(state(&lab), before, "{version}");
        }
        lab.version = RELEASE.into();
        lab.configure();
        lab.creates_nothing();
    }
}
