//! Who may enter a virtual machine, and who it says it is.

use std::fs;

use crate::{computer::output, project::Project, rig};

/// Checks that only the cluster's key opens every machine, and that each has one host key of its own: the one that is known.
#[track_caller]
pub fn is_safe(project: &Project) {
    let public = output("ssh-keygen", &["-y", "-f", project.state().join("id_ed25519").to_str().unwrap()]).stdout;
    let public = String::from_utf8(public).unwrap();
    let public = public.split_whitespace().nth(1).unwrap();
    let known = fs::read_to_string(project.known_hosts()).unwrap();
    let mut shown = Vec::new();
    for machine in project.machines() {
        let allowed =
            project.sh(&machine, "cat /home/*/.ssh/authorized_keys /root/.ssh/authorized_keys 2>/dev/null; true");
        assert_eq!(allowed.lines().count(), 1, "{allowed}");
        assert_eq!(allowed.split_whitespace().nth(1), Some(public));
        is_closed_to_others(&machine.address);
        let scanned = String::from_utf8(output("ssh-keyscan", &[&machine.address]).stdout).unwrap();
        assert_eq!(scanned.lines().count(), 1, "{scanned}");
        assert!(known.lines().any(|line| line == scanned.trim()), "{scanned} is not in:\n{known}");
        shown.push(scanned.split_whitespace().nth(2).unwrap().to_owned());
    }
    assert_eq!(known.lines().count(), shown.len(), "{known}");
    shown.sort();
    shown.dedup();
    assert_eq!(known.lines().count(), shown.len(), "two machines have the same host key");
}

/// Checks that neither the well-known key of boxes nor any password opens a machine.
#[track_caller]
fn is_closed_to_others(address: &str) {
    let well_known = rig::vagrant_home().join("insecure_private_key");
    let login = format!("vagrant@{address}");
    let options =
        ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
    let identity = ["-o", "IdentitiesOnly=yes", "-i", well_known.to_str().unwrap(), &login, "true"];
    let refused = output("ssh", &[&options[..], &identity].concat());
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(words.contains("Permission denied (publickey)."), "{words}");
}
