//! The command line: one file per command. The only place that builds real effects.

mod build;
mod completions;
mod create;
mod deploy;
mod destroy;
mod doctor;
mod gc;
mod global;
mod interrupt;
mod journal;
mod kubeconfig;
mod logs;
mod plan;
mod rehearsal_process;
mod report;
mod schema;
mod screen;
mod session;
mod ssh;
mod start;
mod status;
mod stop;
mod test;
mod tunnel;
mod undeploy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::task::LocalSet;

use crate::failure::Failure;
use global::Global;

/// From nothing to a running application on a K3s cluster, and back
#[derive(Debug, Parser)]
#[command(name = "orchestrator", version, propagate_version = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(visible_alias = "up")]
    Create(create::Args),
    Plan(plan::Args),
    Start(start::Args),
    Stop(stop::Args),
    #[command(visible_aliases = ["delete", "rm"])]
    Destroy(destroy::Args),
    Status(status::Args),
    Build(build::Args),
    Deploy(deploy::Args),
    Undeploy(undeploy::Args),
    Test(test::Args),
    Kubeconfig(kubeconfig::Args),
    Tunnel(tunnel::Args),
    Ssh(ssh::Args),
    Logs(logs::Args),
    Doctor(doctor::Args),
    Gc(gc::Args),
    Report(report::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    RehearsalProcess(rehearsal_process::Args),
}

/// Reads the command line, runs the command and returns the exit code of the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match &arguments.command {
        Command::RehearsalProcess(_) => {
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
        }
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    };
    match runtime {
        Ok(runtime) => {
            let tasks = LocalSet::new();
            let code = tasks.block_on(&runtime, run(arguments));
            // What is still under way is dropped where it may still speak to the runtime.
            let context = runtime.enter();
            drop(tasks);
            drop(context);
            // A read from the terminal or a name look-up must not keep the program alive.
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(error) => {
            let failure = Failure::new(&crate::failure::BUG, "cannot begin").because(error);
            ExitCode::from(screen::fail(&arguments.global, failure))
        }
    }
}

async fn run(arguments: Arguments) -> u8 {
    let global = &arguments.global;
    let result = match arguments.command {
        Command::Create(args) => create::run(global, args).await,
        Command::Plan(args) => plan::run(global, args).await,
        Command::Start(args) => start::run(global, args).await,
        Command::Stop(args) => stop::run(global, args).await,
        Command::Destroy(args) => destroy::run(global, args).await,
        Command::Status(args) => status::run(global, args).await,
        Command::Build(args) => build::run(global, args).await,
        Command::Deploy(args) => deploy::run(global, args).await,
        Command::Undeploy(args) => undeploy::run(global, args).await,
        Command::Test(args) => test::run(global, args).await,
        Command::Kubeconfig(args) => kubeconfig::run(global, args).await,
        Command::Ssh(args) => ssh::run(global, args).await,
        Command::Tunnel(args) => tunnel::run(global, args).await,
        Command::Logs(args) => logs::run(global, args).await,
        Command::Doctor(args) => doctor::run(global, args).await,
        Command::Gc(args) => gc::run(global, args).await,
        Command::Report(args) => report::run(global, args),
        Command::Schema(args) => schema::run(global, args),
        Command::Completions(args) => completions::run(global, args),
        Command::RehearsalProcess(args) => rehearsal_process::run(global, args).await,
    };
    result.unwrap_or_else(|failure| screen::fail(global, failure))
}
