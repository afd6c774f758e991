//! Progress on a terminal: two lines per step under way, one per finished step.

mod active;

use std::{collections::HashMap, io};

use console::Style;
use indicatif::MultiProgress;

use super::{
    plain::Verbosity,
    words::{STOPPING, about, check, check_details, closing, retry, seconds, word, wrap},
};
use crate::{
    engine::{Event, EventKind, Outcome, Sink},
    model::check::Verdict,
};
use active::Active;

/// What a terminal can show.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub colours: bool,
    pub columns: usize,
}

/// A terminal.
pub struct Tty {
    screen: MultiProgress,
    verbosity: Verbosity,
    look: Look,
    steps: HashMap<String, Active>,
}

impl Tty {
    /// Draws on `screen`.
    pub fn new(screen: MultiProgress, verbosity: Verbosity, look: Look) -> Self {
        Self { screen, verbosity, look, steps: HashMap::new() }
    }

    fn print(&self, line: &str) -> io::Result<()> {
        self.screen.println(line)
    }

    fn paint(&self, style: Style, text: &str) -> String {
        style.force_styling(self.look.colours).apply_to(text).to_string()
    }

    fn dim(&self, text: &str) -> String {
        self.paint(Style::new().dim(), text)
    }

    fn see(&mut self, step: &str, on: Option<&str>, what: String) {
        if let Some(active) = self.steps.get_mut(step) {
            active.see(on, what);
        }
    }

    fn end(&mut self, step: &str, mark: &str, elapsed_ms: u64) -> io::Result<()> {
        let Some(active) = self.steps.remove(step) else { return Ok(()) };
        active.clear(&self.screen);
        self.print(&format!("{mark} {} {}", active.title, self.dim(&seconds(elapsed_ms))))
    }

    fn mark(&self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Changed => self.paint(Style::new().green(), "✓"),
            Outcome::Unchanged => self.dim("✓"),
            Outcome::Failed => self.paint(Style::new().red(), "✗"),
        }
    }

    /// Colours the word that a closing line begins with.
    fn closing(&self, line: &str) -> String {
        let prose = ["note: ", "  because: ", "error["].iter().any(|word| line.starts_with(word));
        let line = if prose { &wrap(line, self.look.columns) } else { line };
        match line.split_once(':') {
            Some((word, rest)) if word.starts_with("error[") => {
                format!("{}:{rest}", self.paint(Style::new().red().bold(), word))
            }
            Some((word, rest)) if ["note", "next", "  next", "  because"].contains(&word) => {
                format!("{}:{rest}", self.paint(Style::new().cyan(), word))
            }
            _ if line.starts_with("  | ") => self.dim(line),
            _ => line.to_owned(),
        }
    }

    /// Takes away what never ended: steps that were abandoned when one beside them failed.
    fn abandon(&mut self) -> io::Result<()> {
        let mut abandoned: Vec<_> = self.steps.drain().map(|(_, active)| active).collect();
        abandoned.sort_by(|a, b| a.title.cmp(&b.title));
        for active in abandoned {
            active.clear(&self.screen);
            self.print(&self.dim(&format!("- {} (abandoned)", active.title)))?;
        }
        Ok(())
    }
}

impl Sink for Tty {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        let quiet = self.verbosity == Verbosity::Quiet;
        let failed_check = matches!(&event.kind, EventKind::CheckFinished { result, .. }
            if matches!(result.verdict, Verdict::Failed { .. }));
        let told =
            failed_check || matches!(event.kind, EventKind::RunFinished { ok: false, .. } | EventKind::Warned { .. });
        if quiet && !told {
            return Ok(());
        }
        match &event.kind {
            EventKind::RunStarted { command, cluster, provider, .. } => {
                let what = self.paint(Style::new().bold(), &format!("{command} {cluster}"));
                self.print(&format!("{what} {}", self.dim(provider)))?;
            }
            EventKind::StepStarted { step, title } => {
                if let Some(before) = self.steps.insert(step.clone(), Active::new(&self.screen, title)) {
                    before.clear(&self.screen);
                }
            }
            EventKind::WorkStarted { step, on } => {
                if let Some(active) = self.steps.get_mut(step) {
                    active.begin(on);
                }
            }
            EventKind::Doing { step, on, what } => self.see(step, on.as_deref(), what.clone()),
            EventKind::Waiting { step, on, seen } => self.see(step, on.as_deref(), seen.clone()),
            EventKind::Retrying { step, on, what, attempt, because } => {
                self.see(step, on.as_deref(), retry(what, *attempt, because));
            }
            EventKind::Progressed { step, on, done, of } => {
                if let Some(active) = self.steps.get_mut(step) {
                    active.progress(on.as_deref(), *done, *of);
                }
            }
            EventKind::CheckFinished { result, .. } => {
                let mark = match result.verdict {
                    Verdict::Passed => self.paint(Style::new().green(), "✓"),
                    Verdict::Failed { .. } => self.paint(Style::new().red(), "✗"),
                    Verdict::NotRun { .. } => self.paint(Style::new().yellow(), "-"),
                };
                self.print(&wrap(&format!("{mark} {}", check(result)), self.look.columns))?;
                for line in check_details(result) {
                    self.print(&self.dim(&wrap(&format!("    {line}"), self.look.columns)))?;
                }
            }
            EventKind::WorkFinished { step, on, outcome, elapsed_ms } => {
                if let Some(active) = self.steps.get_mut(step) {
                    active.end(on);
                }
                if self.verbosity == Verbosity::Verbose {
                    let time = self.dim(&format!("{}, {}", word(*outcome), seconds(*elapsed_ms)));
                    self.print(&format!("  {on} {time}"))?;
                }
            }
            EventKind::Said { on, message, .. } => {
                let line = wrap(&format!("  {}{message}", about(on.as_deref())), self.look.columns);
                self.print(&line)?;
            }
            EventKind::Warned { on, message, .. } => {
                let warning = self.paint(Style::new().yellow(), "warning:");
                let line = wrap(&format!("  warning: {}{message}", about(on.as_deref())), self.look.columns);
                self.print(&line.replacen("warning:", &warning, 1))?;
            }
            EventKind::StepFinished { step, outcome, elapsed_ms } => {
                self.end(step, &self.mark(*outcome), *elapsed_ms)?;
            }
            EventKind::StepFailed { step, elapsed_ms, .. } => {
                self.end(step, &self.mark(Outcome::Failed), *elapsed_ms)?;
            }
            EventKind::Stopping => self.print(&self.paint(Style::new().yellow(), STOPPING))?,
            EventKind::RunFinished { ok, changed, failure, notes, next, elapsed_ms, .. } => {
                self.abandon()?;
                if *ok {
                    let unchanged = if *changed { "" } else { ", nothing had to change" };
                    self.print(&self.dim(&format!("done in {}{unchanged}", seconds(*elapsed_ms))))?;
                }
                for line in closing(failure.as_ref(), notes, next) {
                    self.print(&self.closing(&line))?;
                }
            }
            EventKind::Unknown => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::*;
    use crate::report::sample;

    /// Returns what a terminal of this size shows after these events, without the time that passes.
    fn shown(events: &[Event], rows: u16, columns: u16) -> String {
        let terminal = InMemoryTerm::new(rows, columns);
        let look = Look { colours: false, columns: columns.into() };
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut tty = Tty::new(MultiProgress::with_draw_target(target), Verbosity::Normal, look);
        for event in events {
            tty.on_event(event).unwrap();
        }
        let contents = terminal.contents();
        let spinner = |line: &str| match line.chars().next() {
            Some('\u{2800}'..='\u{28ff}') => format!("*{}", line.chars().skip(1).collect::<String>()),
            _ => line.to_owned(),
        };
        contents.lines().map(spinner).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_run_that_went_well() {
        insta::assert_snapshot!(shown(&sample::success(), 30, 80));
    }

    #[test]
    fn a_run_that_failed() {
        insta::assert_snapshot!(shown(&sample::failure(), 30, 80));
    }

    #[test]
    fn checks_and_how_they_came_out() {
        insta::assert_snapshot!(shown(&sample::checks(), 30, 80));
    }

    #[test]
    fn a_run_that_was_interrupted() {
        insta::assert_snapshot!(shown(&sample::interrupted(), 30, 80));
    }

    #[test]
    fn a_step_under_way_fits_a_narrow_terminal() {
        let events = sample::success();
        insta::assert_snapshot!(shown(&events[..5], 30, 40));
    }

    #[test]
    fn many_machines_take_two_lines() {
        insta::assert_snapshot!(shown(&sample::crowd(50), 30, 80));
    }

    #[test]
    fn any_stream_can_be_shown() {
        for events in sample::damaged() {
            shown(&events, 24, 60);
        }
    }
}
