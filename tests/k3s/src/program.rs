//! The command line.

use std::{
    env,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    agent,
    config::Settings,
    images::commands,
    keys::Who,
    leftovers,
    log::{self, Fatal},
    pace::Pace,
    paths::host_root,
    server, snapshots, token, version,
};

const USAGE: &str = "USAGE:\n   k3s server|agent|kubectl|crictl|ctr|check-config|token|etcd-snapshot [OPTIONS]";

/// Runs what the arguments ask for. A link to the program that is called `kubectl`, `crictl` or `ctr` is that command.
pub fn main() -> ExitCode {
    let mut arguments = env::args();
    let name = arguments.next().unwrap_or_default();
    let name = Path::new(&name).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut arguments: Vec<String> = arguments.collect();
    if name == "containerd-shim-runc-v2" {
        leftovers::run_shim();
    }
    if matches!(name.as_str(), "kubectl" | "crictl" | "ctr") {
        arguments.insert(0, name);
    }
    match run(&arguments) {
        Ok(code) => code,
        Err(why) => {
            log::fatal(&why);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode, Fatal> {
    let (command, rest) =
        arguments.split_first().map_or(("--help", [].as_slice()), |(first, rest)| (first.as_str(), rest));
    match command {
        "--version" | "-v" => say(&about()),
        "server" => serve(Who::Server, rest)?,
        "agent" => serve(Who::Agent, rest)?,
        "etcd-snapshot" => say(&snapshots::run(rest)?),
        "token" => say(&token::run(rest)?),
        "kubectl" => return Err(kubectl(rest)),
        "ctr" => return printed("ctr", commands::ctr(rest)),
        "crictl" => return printed("crictl", commands::crictl(rest)),
        "check-config" => say("STATUS: pass"),
        "--help" | "-h" | "help" => say(USAGE),
        other => return Err(Fatal(format!("No help topic for '{other}'"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what one of the bundled programs says, which is no log.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]
fn printed(program: &str, said: Result<String, String>) -> Result<ExitCode, Fatal> {
    match said {
        Ok(text) => print!("{text}"),
        Err(why) => {
            eprintln!("{program}: {why}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn about() -> String {
    let version = version::current();
    format!("k3s version {version} ({})\ngo version go1.24.6", version::commit(&version))
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn say(text: &str) {
    println!("{text}");
}

fn serve(command: Who, arguments: &[String]) -> Result<(), Fatal> {
    let settings = Settings::read(command, arguments, |name| env::var(name).ok())?;
    let pace = Pace::from_environment();
    let runtime = tokio::runtime::Runtime::new()?;
    let end = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let run = async {
            match command {
                Who::Agent => agent::run(&settings, pace).await,
                _ => Box::pin(server::run(&settings, pace)).await,
            }
        };
        tokio::select! {
            end = run => end,
            _ = terminate.recv() => Err(ended(command)),
            _ = interrupt.recv() => Err(ended(command)),
        }
    });
    runtime.shutdown_background();
    end
}

/// What a K3s says that was told to end, before it ends with status 1 (seen of v1.21.2).
fn ended(command: Who) -> Fatal {
    let words = if command == Who::Agent { "flannel exited: <nil>" } else { "controllers exited" };
    Fatal(words.into())
}

/// Becomes the machine's `kubectl`, with K3s's kubeconfig unless another one is set; returns why it could not.
fn kubectl(arguments: &[String]) -> Fatal {
    let mut command = Command::new("kubectl");
    command.args(arguments);
    if env::var_os("KUBECONFIG").is_none() {
        let own = host_root().join("etc/rancher/k3s/k3s.yaml");
        command.env("KUBECONFIG", own);
    }
    Fatal(format!("kubectl: {}", command.exec()))
}
