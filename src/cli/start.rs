use clap::Parser;

use super::{global::Global, session::Session};
use crate::{failure::Failure, flows};

/// Give power to a stopped cluster and wait until its nodes are ready
#[derive(Debug, Parser)]
pub struct Args {}

pub async fn run(global: &Global, _: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let (_lock, state) = session.lock("start")?;
    session.run(global, "start", &[], &state, async |context| flows::start::start(context).await).await
}
