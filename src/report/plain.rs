use std::{
    collections::HashMap,
    io::{self, Write},
};

use jiff::Timestamp;

use super::{
    throttle::Throttle,
    words::{STOPPING, about, check, check_details, closing, retry, seconds, word},
};
use crate::{
    engine::{Event, EventKind, Sink},
    model::check::Verdict,
};

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
    throttle: Throttle,
}

impl<W: Write> Plain<W> {
    pub fn new(out: W, verbosity: Verbosity) -> Self {
        Self { out, verbosity, titles: HashMap::new(), throttle: Throttle::default() }
    }

    fn line(&mut self, from: Verbosity, line: &str) -> io::Result<()> {
        if self.verbosity >= from { writeln!(self.out, "{line}") } else { Ok(()) }
    }

    /// Shows where a step is, but not faster than people read.
    fn state(&mut self, from: Verbosity, at: Timestamp, step: &str, on: Option<&str>, words: &str) -> io::Result<()> {
        let line = format!("    {}{words}", about(on));
        let shown = self.verbosity >= from && self.throttle.admits(step, on, at, &line);
        if shown { self.line(from, &line) } else { Ok(()) }
    }

    fn title(&mut self, step: &str) -> String {
        self.titles.remove(step).unwrap_or_else(|| step.to_owned())
    }
}

impl<W: Write> Sink for Plain<W> {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        use Verbosity::{Normal, Quiet, Verbose};
        let at = event.at;
        match &event.kind {
            EventKind::RunStarted { command, cluster, provider, .. } => {
                self.line(Normal, &format!("==> {command} {cluster} ({provider})"))
            }
            EventKind::StepStarted { step, title } => {
                self.titles.insert(step.clone(), title.clone());
                self.line(Verbose, &format!(" .. {title}"))
            }
            EventKind::Said { on, message, .. } => self.line(Normal, &format!("    {}{message}", about(on.as_deref()))),
            EventKind::Warned { on, message, .. } => {
                self.line(Quiet, &format!("    warning: {}{message}", about(on.as_deref())))
            }
            EventKind::Doing { step, on, what } => self.state(Normal, at, step, on.as_deref(), what),
            EventKind::Waiting { step, on, seen } => {
                self.state(Normal, at, step, on.as_deref(), &format!("waiting: {seen}"))
            }
            EventKind::Retrying { step, on, what, attempt, because } => {
                self.state(Normal, at, step, on.as_deref(), &retry(what, *attempt, because))
            }
            EventKind::Progressed { step, on, done, of } => {
                self.state(Verbose, at, step, on.as_deref(), &format!("{done} of {of}"))
            }
            EventKind::CheckFinished { result, .. } => {
                let from = if matches!(result.verdict, Verdict::Failed { .. }) { Quiet } else { Normal };
                let mark = match result.verdict {
                    Verdict::Passed => "ok",
                    Verdict::Failed { .. } => "!!",
                    Verdict::NotRun { .. } => "--",
                };
                self.line(from, &format!(" {mark} {}", check(result)))?;
                check_details(result).iter().try_for_each(|line| self.line(from, &format!("    {line}")))
            }
            EventKind::WorkFinished { on, outcome, elapsed_ms, .. } => {
                self.line(Verbose, &format!("    {on}: {} ({})", word(*outcome), seconds(*elapsed_ms)))
            }
            EventKind::StepFinished { step, outcome, elapsed_ms } => {
                self.throttle.end(step);
                let title = self.title(step);
                self.line(Normal, &format!(" ok {title}: {} ({})", word(*outcome), seconds(*elapsed_ms)))
            }
            EventKind::StepFailed { step, elapsed_ms, .. } => {
                for line in self.throttle.end(step) {
                    self.line(Normal, &line)?;
                }
                let title = self.title(step);
                self.line(Normal, &format!(" !! {title}: failed ({})", seconds(*elapsed_ms)))
            }
            EventKind::Stopping => self.line(Quiet, STOPPING),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn shown(events: &[Event], verbosity: Verbosity) -> String {
        let mut lines = Vec::new();
        let mut plain = Plain::new(&mut lines, verbosity);
        for event in events {
            plain.on_event(event).unwrap();
        }
        drop(plain);
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn a_run_that_went_well() {
        insta::assert_snapshot!(shown(&sample::success(), Verbosity::Normal));
    }

    #[test]
    fn a_run_that_went_well_told_in_full() {
        insta::assert_snapshot!(shown(&sample::success(), Verbosity::Verbose));
    }

    #[test]
    fn a_run_that_failed() {
        insta::assert_snapshot!(shown(&sample::failure(), Verbosity::Normal));
    }

    #[test]
    fn a_run_that_was_interrupted() {
        insta::assert_snapshot!(shown(&sample::interrupted(), Verbosity::Normal));
    }

    #[test]
    fn checks_and_how_they_came_out() {
        insta::assert_snapshot!(shown(&sample::checks(), Verbosity::Normal));
    }

    #[test]
    fn quiet_says_nothing_but_warnings_and_how_it_failed() {
        assert_eq!(shown(&sample::success(), Verbosity::Quiet), "    warning: server-1: its clock is 3 s late\n");
        assert!(shown(&sample::failure(), Verbosity::Quiet).starts_with("error[DEP-002]: "));
    }

    #[test]
    fn any_stream_can_be_shown() {
        for events in sample::damaged() {
            shown(&events, Verbosity::Verbose);
        }
    }
}
