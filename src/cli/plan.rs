use clap::Parser;

use super::{global::Global, screen, session::Session};
use crate::{failure::Failure, flows, plan::stack::ParsedStack, report};

/// Show what `create` would change, and change nothing
#[derive(Debug, Parser)]
pub struct Args {}

pub async fn run(global: &Global, _: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let stacks = session.stacks()?;
    show(global, &session, &stacks).await
}

/// Prints what `create` would change.
pub async fn show(global: &Global, session: &Session, stacks: &[ParsedStack]) -> Result<u8, Failure> {
    let actions = flows::plan::plan(&session.view(stacks)).await?;
    if global.json() {
        let actions = serde_json::to_string(&actions).expect("actions are JSON");
        screen::print(&format!("{{\"actions\":{actions}}}"));
    } else {
        screen::print(&report::plan::render(&actions));
    }
    Ok(0)
}
