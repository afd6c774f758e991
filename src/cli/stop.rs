use clap::Parser;

use super::{global::Global, session::Session};
use crate::{failure::Failure, flows};

/// Take the power from the cluster; everything on it is kept
#[derive(Debug, Parser)]
pub struct Args {}

pub async fn run(global: &Global, _: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    session.must_exist()?;
    let (_lock, state) = session.lock("stop")?;
    session.run(global, "stop", &[], &state, async |context| flows::stop::stop(context).await).await
}
