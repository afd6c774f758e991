//! This computer, asked without the orchestrator.

use std::{
    ffi::OsStr,
    fs,
    process::{Command, Output},
};

use crate::rig::{self, POOL};

/// Runs a program.
pub fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

/// Asks libvirt.
#[track_caller]
pub fn virsh(arguments: &[&str]) -> String {
    let arguments = [&["--quiet", "--connect", "qemu:///system"], arguments].concat();
    let output = output("virsh", &arguments);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "virsh {}: {words}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// The virtual machines whose names have this in them.
#[track_caller]
pub fn domains(part: &str) -> Vec<String> {
    let mut names: Vec<_> = virsh(&["list", "--all", "--name"]).lines().map(|line| line.trim().to_owned()).collect();
    names.retain(|name| name.contains(part));
    names.sort();
    names
}

/// The disks in the pool of the tests whose names have this in them, found without waiting for libvirt.
pub fn disks(part: &str) -> Vec<String> {
    let entries = fs::read_dir(rig::folder().join("pool")).unwrap().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| name.contains(part)).collect()
}

/// The networks whose names have this in them.
#[track_caller]
pub fn networks(part: &str) -> Vec<String> {
    let names = virsh(&["net-list", "--all", "--name"]);
    names.lines().map(str::trim).filter(|name| name.contains(part)).map(str::to_owned).collect()
}

/// The processes with this in their command lines, but for those of the tests: their numbers and their programs.
pub fn processes(part: &str) -> Vec<(u32, String)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let process = |number: u32| {
        let line = fs::read(format!("/proc/{number}/cmdline")).ok()?;
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        words.join(" ").contains(part).then(|| (number, words.join(" ")))
    };
    numbers.filter(|number| *number != std::process::id()).filter_map(process).collect()
}

/// Everything on this computer that bears this name, one thing a line.
#[track_caller]
pub fn traces(name: &str) -> Vec<String> {
    virsh(&["pool-refresh", POOL]);
    let disks = virsh(&["vol-list", POOL]);
    let disks = disks.lines().filter(|line| line.contains(name)).map(|line| format!("disk {}", line.trim()));
    let all = |kind: &'static str, names: Vec<String>| names.into_iter().map(move |name| format!("{kind} {name}"));
    let processes = processes(name).into_iter().map(|(number, line)| format!("process {number} {line}"));
    all("virtual machine", domains(name)).chain(disks).chain(all("network", networks(name))).chain(processes).collect()
}
