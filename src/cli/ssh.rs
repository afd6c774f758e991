use clap::Parser;

use super::{global::Global, session::Session};
use crate::{
    failure::{Failure, NO_SUCH_TARGET},
    flows::some,
};

/// Open a shell on a node, or run a command there; its exit status is passed on
#[derive(Debug, Parser)]
pub struct Args {
    /// The node
    node: String,

    /// A command with its arguments, instead of a shell
    #[arg(last = true)]
    command: Vec<String>,
}

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let machines = session.provider.known().await?;
    some(&machines, &session.cluster.name)?;
    let machine = session.called(&args.node, &machines).ok_or_else(|| {
        let names: Vec<_> = machines.iter().map(|machine| machine.name.as_str()).collect();
        Failure::new(&NO_SUCH_TARGET, format!("there is no node `{}`", args.node))
            .because(format!("there are {}", names.join(", ")))
            .hint("./orchestrator status")
    })?;
    let command = (!args.command.is_empty()).then_some(args.command.as_slice());
    session.provider.shell(machine, command).await
}
