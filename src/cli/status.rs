use std::{io::IsTerminal, time::Duration};

use clap::Parser;

use super::{global::Global, interrupt, screen, session::Session};
use crate::{
    failure::{Failure, called_as},
    flows::status::status_of,
    model::status::{ClusterState, Status},
    report,
};

/// Show machines, nodes and stacks; the exit code is 0 only if all is as configured
#[derive(Debug, Parser)]
pub struct Args {
    /// Show it again whenever it changes, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
}

const WATCH_EVERY: Duration = Duration::from_secs(1);

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let stacks = session.stacks()?;
    let view = session.view(&stacks);
    let mut status = status_of(&view).await?;
    show(global, &status);
    if args.watch {
        let cancel = interrupt::listen();
        loop {
            tokio::select! {
                () = tokio::time::sleep(WATCH_EVERY) => {}
                () = cancel.cancelled() => break,
            }
            let now = status_of(&view).await?;
            if now != status {
                redraw(global, &now);
                status = now;
            }
        }
    }
    Ok(u8::from(status.state != ClusterState::Running))
}

fn show(global: &Global, status: &Status) {
    if global.json() {
        screen::print(&serde_json::to_string(status).expect("a status is JSON"));
    } else {
        screen::print(&called_as(&report::status::render(status), &global.program()));
    }
}

fn redraw(global: &Global, status: &Status) {
    if !global.json() {
        let clear = if std::io::stdout().is_terminal() { "\u{1b}[H\u{1b}[2J" } else { "" };
        screen::print(clear);
    }
    show(global, status);
}
