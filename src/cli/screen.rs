use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::global::{Global, Progress};
use crate::{
    engine::{Canceller, Run, Sink},
    failure::Failure,
    report::{JsonLines, Look, Plain, Tty, Verbosity},
};

/// Returns what shows a run to the user: events on stdout for programs, progress on stderr for people.
pub fn sink(global: &Global, verbosity: Verbosity) -> Box<dyn Sink> {
    if global.json() {
        return Box::new(JsonLines(io::stdout()));
    }
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let terminal = io::stderr().is_terminal() && !ci && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let tty = match global.progress {
        Progress::Auto => terminal,
        // A terminal's control characters help nobody in a file.
        Progress::Tty => io::stderr().is_terminal(),
        Progress::Plain => false,
    };
    if tty {
        let look = Look { colours: console::colors_enabled_stderr(), columns: console::Term::stderr().size().1.into() };
        Box::new(Tty::new(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), verbosity, look))
    } else {
        Box::new(Plain::new(io::stderr(), verbosity))
    }
}

/// Shows a failure that happened outside a run and returns its exit code.
pub fn fail(global: &Global, failure: Failure) -> u8 {
    let (_canceller, cancel) = Canceller::new();
    Run::new(vec![sink(global, Verbosity::Quiet)], cancel, None).called(global.program()).finish(Err(failure))
}

/// Prints data on stdout. Nobody reading any more is no error.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(out, "{text}{newline}").and_then(|()| out.flush());
}
