//! The Docker engine of the rig.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

const NO_RIG: &str = "there is no rig of machines: run tests/run, or tests/rig/up FOLDER with ORCHESTRATOR_RIG=FOLDER";

/// Calls Docker and returns what it printed.
#[track_caller]
pub fn docker(arguments: &[&str]) -> String {
    let output = try_docker(arguments, "");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {words}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Calls Docker with something to read.
pub fn try_docker(arguments: &[&str], input: &str) -> Output {
    let rig = std::env::var("ORCHESTRATOR_RIG").expect(NO_RIG);
    let mut command = Command::new("docker");
    command.arg("--host").arg(format!("unix://{rig}/docker.sock")).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect(NO_RIG);
    // A program that does not read is no mistake.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Returns a name that no other test uses.
pub fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("orchestrator-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A network without a way out. Dropped, it is removed.
pub struct Network {
    pub name: String,
    /// The first three bytes of its addresses, as `10.231.8`.
    prefix: String,
}

impl Network {
    /// Takes the first free one of 10.231.16.0/24 to 10.231.255.0/24, beginning at one that depends on the process.
    pub fn new() -> Self {
        let name = unique();
        let mut refused = String::new();
        for attempt in 0..240 {
            let prefix = format!("10.231.{}", 16 + (std::process::id() + attempt) % 240);
            let subnet = format!("{prefix}.0/24");
            let output = try_docker(&["network", "create", "--internal", "--subnet", &subnet, &name], "");
            if output.status.success() {
                return Self { name, prefix };
            }
            refused = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(refused.contains("overlaps"), "{refused}");
        }
        panic!("no free network: {refused}");
    }

    /// The address with this last byte.
    pub fn address(&self, last: usize) -> String {
        format!("{}.{last}", self.prefix)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        try_docker(&["network", "rm", &self.name], "");
    }
}
