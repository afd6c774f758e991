use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;

use super::{global::Global, screen, session::Session};
use crate::{
    engine::{Event, Sink},
    failure::{Failure, NO_SUCH_RUN},
    report::{Plain, Verbosity, timings},
};

/// Show a recorded run again, and where its time went
#[derive(Debug, Parser)]
pub struct Args {
    /// A run's name or the beginning of it, or a file; the last run by default
    run: Option<String>,

    /// List the recorded runs
    #[arg(long)]
    list: bool,
}

pub fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let runs = Session::open(global, None)?.directory.list_runs();
    if args.list {
        screen::print(&runs.iter().map(|path| name(path)).collect::<Vec<_>>().join("\n"));
        return Ok(0);
    }
    let path = choose(&runs, args.run.as_deref())?;
    let text = fs::read_to_string(&path)
        .map_err(|error| Failure::new(&NO_SUCH_RUN, format!("cannot read {}", path.display())).because(error))?;
    if global.json() {
        screen::print(&text);
        return Ok(0);
    }
    // A run that was killed may have left half a line.
    let events: Vec<Event> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut lines = Vec::new();
    let mut replay = Plain::new(&mut lines, if global.verbose { Verbosity::Verbose } else { Verbosity::Normal });
    for event in &events {
        // A vector takes every line.
        let _ = replay.on_event(event);
    }
    drop(replay);
    screen::print(&format!("{}\n{}", String::from_utf8_lossy(&lines), timings::render(&events)));
    Ok(0)
}

fn name(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn choose(runs: &[PathBuf], wanted: Option<&str>) -> Result<PathBuf, Failure> {
    let none = || {
        Failure::new(
            &NO_SUCH_RUN,
            match wanted {
                Some(wanted) => format!("there is no recorded run `{wanted}`"),
                None => "no run was recorded yet".into(),
            },
        )
        .hint("./orchestrator report --list")
    };
    let Some(wanted) = wanted else { return runs.last().cloned().ok_or_else(none) };
    let file = PathBuf::from(wanted);
    if file.is_file() {
        return Ok(file);
    }
    runs.iter().rev().find(|path| name(path).starts_with(wanted)).cloned().ok_or_else(none)
}
