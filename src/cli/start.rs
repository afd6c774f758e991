use clap::Parser;

use super::{global::Global, session::Session};
use crate::{failure::Failure, flows};

/// Give power to a stopped cluster and wait until all is ready again
#[derive(Debug, Parser)]
pub struct Args {}

pub async fn run(global: &Global, _: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    session.must_exist()?;
    // A mistake in a manifest must not keep a cluster without power; what it had is then not waited for.
    let stacks = session.stacks().unwrap_or_default();
    let (_lock, state) = session.lock("start")?;
    session
        .run(global, "start", &stacks, &state, async |context| {
            flows::unless_lost(context.view.provider, flows::start::start(context)).await
        })
        .await
}
