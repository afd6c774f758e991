use std::io::{self, BufRead, IsTerminal, Write};

use clap::Parser;

use super::{global::Global, session::Session};
use crate::{
    failure::{Failure, NOT_CONFIRMED},
    flows,
    steps::destroy_machines::Silent,
};

/// Remove everything the cluster owns
#[derive(Debug, Parser)]
pub struct Args {
    /// Do not ask
    #[arg(short, long, env = "ORCHESTRATOR_YES")]
    yes: bool,

    /// Give up machines that do not answer: what is on them stays there
    #[arg(long, env = "ORCHESTRATOR_FORCE")]
    force: bool,
}

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    if !args.yes {
        confirm(&session.cluster.name)?;
    }
    let silent = if args.force { Silent::GiveUp } else { Silent::Fails };
    let (_lock, state) = session.lock("destroy")?;
    session
        .run(global, "destroy", &[], &state, async |context| {
            let ending = flows::destroy::destroy(context, silent).await?;
            context.view.directory.remove()?;
            Ok(ending)
        })
        .await
}

fn confirm(name: &str) -> Result<(), Failure> {
    let refused = |why: &str| {
        Failure::new(&NOT_CONFIRMED, format!("cluster `{name}` was not destroyed"))
            .because(why)
            .hint("./orchestrator destroy --yes")
    };
    if !io::stdin().is_terminal() {
        return Err(refused("there is no terminal to ask on"));
    }
    let mut stderr = io::stderr();
    let _ = write!(stderr, "This removes cluster `{name}` with all its data. Type its name to go on: ");
    let _ = stderr.flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| refused(&error.to_string()))?;
    if answer.trim() == name { Ok(()) } else { Err(refused("the name was not typed")) }
}
