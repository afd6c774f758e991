//! Starts and ends the background process of a rehearsal.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    failure::{Failure, LEFT_BEHIND, REHEARSAL_NOT_ANSWERING, REHEARSAL_NOT_STARTED},
    rehearsal::{kubeconfig, pki::Tls, protocol::Folder},
};

/// The hidden command that the process runs.
pub const COMMAND: &str = "rehearsal-process";
const LOOK: Duration = Duration::from_millis(3);

/// Starts the process and returns when it listens.
pub async fn start(folder: &Folder, within: Duration) -> Result<(), Failure> {
    let mut child = spawn(folder).map_err(|error| not_started(folder, &error))?;
    let pid = child.id();
    let deadline = Instant::now() + within;
    loop {
        let listens = folder.is_alive() && folder.read_endpoint().is_some_and(|endpoint| endpoint.pid == pid);
        if listens {
            return Ok(());
        }
        if let Ok(Some(status)) = child.try_wait() {
            // One that a killed run began to start was faster.
            if folder.is_alive() {
                return Ok(());
            }
            return Err(not_started(folder, &format!("it ended with {status}")));
        }
        if Instant::now() > deadline {
            return Err(not_started(folder, &format!("process {pid} does not listen yet")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn spawn(folder: &Folder) -> io::Result<std::process::Child> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder.path())?;
    let output = File::options().create(true).append(true).mode(0o600).open(folder.output())?;
    Command::new(std::env::current_exe()?)
        .arg(COMMAND)
        .arg(folder.path())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
}

fn not_started(folder: &Folder, because: &dyn std::fmt::Display) -> Failure {
    let output = fs::read_to_string(folder.output()).unwrap_or_default();
    let lines: Vec<_> = output.lines().collect();
    Failure::new(&REHEARSAL_NOT_STARTED, "the rehearsal process did not start")
        .because(because)
        .output(lines[lines.len().saturating_sub(20)..].join("\n"))
        .hint(format!("cat {}", folder.output().display()))
}

/// Ends the process: first politely, then not.
pub async fn end(folder: &Folder, within: Duration) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, kill_process};
    let number = folder.pid().or_else(|| folder.read_endpoint().map(|endpoint| endpoint.pid)).filter(|pid| *pid > 0);
    let pid = number.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    for (signal, patience) in [(Signal::TERM, within / 4), (Signal::KILL, within)] {
        // The lock proves that the process of that number is still ours.
        if let Some(pid) = pid.filter(|_| folder.is_alive()) {
            let _ = kill_process(pid, signal);
        }
        if wait_for_end(folder, patience).await.is_ok() {
            return Ok(());
        }
    }
    let left_behind = Failure::new(&LEFT_BEHIND, "the rehearsal process does not end");
    Err(match number {
        Some(pid) => left_behind.hint(format!("kill -9 {pid}")),
        None => left_behind,
    })
}

/// Waits until the process has ended.
pub async fn wait_for_end(folder: &Folder, within: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + within;
    while folder.is_alive() {
        if Instant::now() > deadline {
            return Err(Failure::new(&LEFT_BEHIND, "the rehearsal process does not end"));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Returns a kubeconfig with which the process can be talked to.
pub fn kubeconfig(folder: &Folder) -> Result<String, Failure> {
    let read = || -> io::Result<String> {
        let endpoint = folder.read_endpoint().ok_or(io::ErrorKind::NotFound)?;
        let token = fs::read_to_string(folder.token())?;
        let ca = Tls::load(folder.path())?.ca;
        Ok(kubeconfig::kubeconfig(&ca, &format!("https://127.0.0.1:{}", endpoint.port), &token))
    };
    read().map_err(|error| {
        Failure::new(&REHEARSAL_NOT_ANSWERING, "the rehearsal process left no way to reach it").because(error)
    })
}
