use std::{collections::HashMap, io, time::Duration};

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plain::{Verbosity, closing, seconds};
use crate::engine::{Event, EventKind, Outcome, Sink};

/// A terminal: one spinner per step under way, one line per finished one.
pub struct Tty {
    screen: MultiProgress,
    verbosity: Verbosity,
    steps: HashMap<String, Active>,
}

struct Active {
    title: String,
    bar: ProgressBar,
    /// How far each machine or pod is.
    seen: Vec<(String, String)>,
}

impl Tty {
    /// Draws on `screen`.
    pub fn new(screen: MultiProgress, verbosity: Verbosity) -> Self {
        Self { screen, verbosity, steps: HashMap::new() }
    }

    fn print(&self, line: &str) -> io::Result<()> {
        self.screen.println(line)
    }

    fn start(&mut self, step: &str, title: &str) {
        let bar = self.screen.add(ProgressBar::new_spinner());
        let template = "{spinner:.cyan} {prefix} {elapsed:.dim} {wide_msg:.dim}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        self.steps.insert(step.into(), Active { title: title.into(), bar, seen: Vec::new() });
    }

    fn see(&mut self, step: &str, on: Option<&str>, what: String) {
        let Some(active) = self.steps.get_mut(step) else { return };
        let on = on.unwrap_or_default().to_owned();
        active.seen.retain(|(name, _)| *name != on);
        active.seen.push((on, what));
        active.show();
    }

    fn forget(&mut self, step: &str, on: &str) {
        if let Some(active) = self.steps.get_mut(step) {
            active.seen.retain(|(name, _)| name != on);
            active.show();
        }
    }

    fn end(&mut self, step: &str, mark: &str, elapsed_ms: u64) -> io::Result<()> {
        let Some(active) = self.steps.remove(step) else { return Ok(()) };
        active.bar.finish_and_clear();
        self.screen.remove(&active.bar);
        let time = style(seconds(elapsed_ms)).dim();
        self.print(&format!("{mark} {} {time}", active.title))
    }
}

impl Active {
    fn show(&self) {
        let said = |(on, what): &(String, String)| if on.is_empty() { what.clone() } else { format!("{on}: {what}") };
        self.bar.set_message(self.seen.iter().map(said).collect::<Vec<_>>().join(" · "));
    }
}

impl Sink for Tty {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        if self.verbosity == Verbosity::Quiet && !matches!(event.kind, EventKind::RunFinished { ok: false, .. }) {
            return Ok(());
        }
        let prefix = |on: &Option<String>| on.as_ref().map_or(String::new(), |on| format!("{on}: "));
        match &event.kind {
            EventKind::RunStarted { command, cluster, provider, .. } => {
                self.print(&format!("{} {} {}", style(command).bold(), style(cluster).bold(), style(provider).dim()))
            }
            EventKind::StepStarted { step, title } => {
                self.start(step, title);
                Ok(())
            }
            EventKind::WorkStarted { step, on } => {
                self.see(step, Some(on), "…".into());
                Ok(())
            }
            EventKind::Waiting { step, on, seen } => {
                self.see(step, on.as_deref(), seen.clone());
                Ok(())
            }
            EventKind::Progressed { step, on, done, of } => {
                self.see(step, on.as_deref(), format!("{done} of {of}"));
                Ok(())
            }
            EventKind::WorkFinished { step, on, .. } => {
                self.forget(step, on);
                Ok(())
            }
            EventKind::Said { on, message, .. } => self.print(&format!("  {}{message}", style(prefix(on)).dim())),
            EventKind::Warned { on, message, .. } => {
                self.print(&format!("  {} {}{message}", style("warning:").yellow(), prefix(on)))
            }
            EventKind::StepFinished { step, outcome, elapsed_ms } => {
                let mark = match outcome {
                    Outcome::Changed => style("✓").green(),
                    Outcome::Unchanged => style("✓").dim(),
                    Outcome::Failed => style("✗").red(),
                };
                self.end(step, &mark.to_string(), *elapsed_ms)
            }
            EventKind::StepFailed { step, elapsed_ms, .. } => {
                self.end(step, &style("✗").red().to_string(), *elapsed_ms)
            }
            EventKind::RunFinished { ok, changed, failure, notes, next, elapsed_ms, .. } => {
                if *ok {
                    let unchanged = if *changed { "" } else { ", nothing had to change" };
                    self.print(&style(format!("done in {}{unchanged}", seconds(*elapsed_ms))).dim().to_string())?;
                }
                for line in closing(failure.as_ref(), notes, next) {
                    self.print(&colour(&line))?;
                }
                Ok(())
            }
            EventKind::Unknown => Ok(()),
        }
    }
}

fn colour(line: &str) -> String {
    match line.split_once(':') {
        Some((word, rest)) if word.starts_with("error[") => format!("{}:{rest}", style(word).red().bold()),
        Some((word, rest)) if ["note", "next", "  next"].contains(&word) => format!("{}:{rest}", style(word).cyan()),
        _ => line.to_owned(),
    }
}
