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
    let price = session.provider.price(&session.cluster.machines);
    if global.json() {
        let actions = serde_json::to_string(&actions).expect("actions are JSON");
        let price = price.map(|price| serde_json::to_string(&price).expect("a price is JSON"));
        let price = price.map_or(String::new(), |price| format!(",\"cost\":{price}"));
        screen::print(&format!("{{\"actions\":{actions}{price}}}"));
    } else {
        screen::print(&report::plan::render(&actions));
        if let Some(price) = price {
            screen::print(&format!("cost: {price}"));
        }
    }
    Ok(0)
}
