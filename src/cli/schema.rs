use clap::Parser;

use super::{global::Global, screen};
use crate::{config, failure::Failure};

/// Print the JSON Schema of `orchestrator.toml`
#[derive(Debug, Parser)]
pub struct Args {}

pub fn run(_: &Global, _: Args) -> Result<u8, Failure> {
    screen::print(&serde_json::to_string_pretty(&config::schema()).expect("a schema is JSON"));
    Ok(0)
}
