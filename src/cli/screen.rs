use std::io::{self, IsTerminal, Write};

use async_trait::async_trait;
use indicatif::{MultiProgress, ProgressDrawTarget};

use super::global::{Global, Progress};
use crate::{
    effects::ssh::ask::{Ask, ControllingTerminal},
    engine::{Canceller, Run, Sink},
    failure::Failure,
    report::{JsonLines, Look, Plain, Tty, Verbosity},
};

/// Returns what shows a run to the user: events on stdout for programs, progress on stderr for people.
pub fn sink(global: &Global, verbosity: Verbosity, progress: &MultiProgress) -> Box<dyn Sink> {
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
        Box::new(Tty::new(progress.clone(), verbosity, look))
    } else {
        Box::new(Plain::new(io::stderr(), verbosity))
    }
}

/// Returns the part of the terminal that a run draws on.
pub fn progress() -> MultiProgress {
    MultiProgress::with_draw_target(ProgressDrawTarget::stderr())
}

/// Asks on the terminal while a run draws on it: what is drawn makes room for the question.
pub struct AskBetween(pub MultiProgress);

#[async_trait(?Send)]
impl Ask for AskBetween {
    async fn line(&self, question: &str, secret: bool) -> Option<String> {
        let _ = self.0.clear();
        self.0.set_draw_target(ProgressDrawTarget::hidden());
        let answer = ControllingTerminal.line(question, secret).await;
        self.0.set_draw_target(ProgressDrawTarget::stderr());
        answer
    }
}

/// Shows a failure that happened outside a run and returns its exit code.
pub fn fail(global: &Global, failure: Failure) -> u8 {
    let (_canceller, cancel) = Canceller::new();
    Run::new(vec![sink(global, Verbosity::Quiet, &progress())], cancel, None)
        .called(global.program())
        .finish(Err(failure))
}

/// Prints data on stdout. Nobody reading any more is no error.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(out, "{text}{newline}").and_then(|()| out.flush());
}
