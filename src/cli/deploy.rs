use clap::Parser;

use super::{global::Global, session::Session};
use crate::{failure::Failure, flows};

/// Apply the stacks' manifests, remove what they no longer have, and wait until all is ready
#[derive(Debug, Parser)]
pub struct Args {
    /// The stacks to deploy; all by default
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
}

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let stacks = session.stacks()?;
    flows::deploy::chosen(&stacks, &args.stacks)?;
    session.must_exist()?;
    let (_lock, state) = session.lock("deploy")?;
    let deploy = async |context: &flows::Context<'_>| flows::deploy::deploy(context, &args.stacks).await;
    session.run(global, "deploy", &stacks, &state, deploy).await
}
