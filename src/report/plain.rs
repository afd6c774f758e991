use std::{
    collections::HashMap,
    io::{self, Write},
};

use super::failure;
use crate::engine::{Event, EventKind, Outcome, Sink};

/// How much a screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only how the run ended, when it ended badly.
    Quiet,
    Normal,
    /// Every machine and every wait.
    Verbose,
}

/// Lines without control characters, for logs and CI.
pub struct Plain<W> {
    out: W,
    verbosity: Verbosity,
    titles: HashMap<String, String>,
}

impl<W: Write> Plain<W> {
    pub fn new(out: W, verbosity: Verbosity) -> Self {
        Self { out, verbosity, titles: HashMap::new() }
    }

    fn line(&mut self, from: Verbosity, line: &str) -> io::Result<()> {
        if self.verbosity >= from { writeln!(self.out, "{line}") } else { Ok(()) }
    }
}

impl<W: Write> Sink for Plain<W> {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        use Verbosity::{Normal, Quiet, Verbose};
        let prefix = |on: &Option<String>| on.as_ref().map_or(String::new(), |on| format!("{on}: "));
        match &event.kind {
            EventKind::RunStarted { command, cluster, provider, .. } => {
                self.line(Normal, &format!("==> {command} {cluster} ({provider})"))
            }
            EventKind::StepStarted { step, title } => {
                self.titles.insert(step.clone(), title.clone());
                self.line(Verbose, &format!(" .. {title}"))
            }
            EventKind::Said { on, message, .. } => self.line(Normal, &format!("    {}{message}", prefix(on))),
            EventKind::Warned { on, message, .. } => self.line(Quiet, &format!("    warning: {}{message}", prefix(on))),
            EventKind::Waiting { on, seen, .. } => self.line(Normal, &format!("    {}waiting: {seen}", prefix(on))),
            EventKind::Progressed { on, done, of, .. } => {
                self.line(Verbose, &format!("    {}{done} of {of}", prefix(on)))
            }
            EventKind::WorkFinished { on, outcome, elapsed_ms, .. } => {
                self.line(Verbose, &format!("    {on}: {} ({})", word(*outcome), seconds(*elapsed_ms)))
            }
            EventKind::StepFinished { step, outcome, elapsed_ms } => {
                let title = self.titles.remove(step).unwrap_or_else(|| step.clone());
                self.line(Normal, &format!(" ok {title}: {} ({})", word(*outcome), seconds(*elapsed_ms)))
            }
            EventKind::StepFailed { step, elapsed_ms, .. } => {
                let title = self.titles.remove(step).unwrap_or_else(|| step.clone());
                self.line(Normal, &format!(" !! {title}: failed ({})", seconds(*elapsed_ms)))
            }
            EventKind::RunFinished { failure, notes, next, elapsed_ms, changed, ok, .. } => {
                if *ok {
                    let changed = if *changed { "" } else { ", nothing had to change" };
                    self.line(Normal, &format!("==> done in {}{changed}", seconds(*elapsed_ms)))?;
                }
                for line in closing(failure.as_ref(), notes, next) {
                    self.line(if *ok { Normal } else { Quiet }, &line)?;
                }
                self.out.flush()
            }
            EventKind::WorkStarted { .. } | EventKind::Unknown => Ok(()),
        }
    }
}

/// Returns the lines that end a run on a screen.
pub fn closing(failure: Option<&crate::failure::Failure>, notes: &[String], next: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(failure) = failure {
        lines.extend(failure::render(failure).lines().map(str::to_owned));
    }
    lines.extend(notes.iter().map(|note| format!("note: {note}")));
    lines.extend(next.iter().map(|command| format!("next: {command}")));
    lines
}

pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Changed => "changed",
        Outcome::Unchanged => "unchanged",
        Outcome::Failed => "failed",
    }
}

/// Returns `0.12 s`, `75.3 s`.
pub fn seconds(milliseconds: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a run lasts less than 2^52 ms")]
    let seconds = milliseconds as f64 / 1000.0;
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}
