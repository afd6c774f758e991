use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use super::{Arguments, global::Global, screen};
use crate::failure::Failure;

/// Print the completions of a shell
#[derive(Debug, Parser)]
pub struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(_: &Global, args: Args) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "orchestrator", &mut text);
    screen::print(&String::from_utf8_lossy(&text));
    Ok(0)
}
