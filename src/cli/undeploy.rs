use clap::Parser;

use super::{global::Global, session::Session};
use crate::{failure::Failure, flows, steps::deploy::Data};

/// Remove the stacks' objects from the cluster; their volumes stay
#[derive(Debug, Parser)]
pub struct Args {
    /// The stacks to remove; all by default
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,

    /// Remove their volumes and namespaces too, and all that is in them
    #[arg(long, env = "ORCHESTRATOR_VOLUMES")]
    volumes: bool,
}

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let stacks = session.stacks()?;
    let chosen = flows::deploy::chosen(&stacks, &args.stacks)?;
    session.must_exist()?;
    let (_lock, state) = session.lock("undeploy")?;
    let data = if args.volumes { Data::Delete } else { Data::Keep };
    let undeploy = async |context: &flows::Context<'_>| flows::undeploy::undeploy(context, &chosen, data).await;
    session.run(global, "undeploy", &stacks, &state, undeploy).await
}
