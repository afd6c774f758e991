use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    time::Duration,
};

use tokio::time::Instant;

use super::{Cancel, Event, EventKind, Outcome, Scope, event::FORMAT};
use crate::{
    failure::{DEADLINE_PASSED, Failure, INTERRUPTED, called_as},
    model::Done,
};

/// How long work may go on after Ctrl-C before it is abandoned. Every action is safe to repeat.
const GRACE: Duration = Duration::from_secs(5);

/// Takes events: a screen, a log.
pub trait Sink {
    /// # Errors
    /// When nobody reads any more; the sink then gets no further events.
    fn on_event(&mut self, event: &Event) -> io::Result<()>;
}

/// A named piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The name of the step's function, in kebab case.
    pub id: &'static str,
    /// The same words for people.
    pub title: &'static str,
}

/// How a run ended well.
#[derive(Debug, Default)]
pub struct Ending {
    /// The closing line, such as `cluster created`.
    pub message: String,
    pub notes: Vec<String>,
    pub next: Vec<String>,
    /// The exit code when it is not 0 although nothing failed.
    pub exit_code: u8,
}

/// One execution of a command.
pub struct Run {
    sinks: RefCell<Vec<Box<dyn Sink>>>,
    seq: Cell<u64>,
    changed: Cell<bool>,
    /// By step: what it last waited for.
    last_seen: RefCell<HashMap<String, String>>,
    told_to_stop: Cell<bool>,
    started: Instant,
    deadline: Option<(Instant, Duration)>,
    cancel: Cancel,
    program: String,
}

impl Run {
    /// Starts a run whose events go to `sinks`; it ends by itself after `timeout`.
    pub fn new(sinks: Vec<Box<dyn Sink>>, cancel: Cancel, timeout: Option<Duration>) -> Self {
        let started = Instant::now();
        Self {
            sinks: RefCell::new(sinks),
            seq: Cell::new(0),
            changed: Cell::new(false),
            last_seen: RefCell::default(),
            told_to_stop: Cell::new(false),
            started,
            deadline: timeout.map(|timeout| (started + timeout, timeout)),
            cancel,
            program: "orchestrator".into(),
        }
    }

    /// Has the commands that events name begin with the program as the user calls it.
    #[must_use]
    pub fn called(self, program: impl Into<String>) -> Self {
        Self { program: program.into(), ..self }
    }

    /// Tells every sink what happened.
    pub fn emit(&self, kind: EventKind) {
        self.seq.set(self.seq.get() + 1);
        if let EventKind::Waiting { step, seen, .. } | EventKind::Retrying { step, because: seen, .. } = &kind {
            self.last_seen.borrow_mut().insert(step.clone(), seen.clone());
        }
        let event = Event { v: FORMAT, seq: self.seq.get(), at: jiff::Timestamp::now(), kind };
        self.sinks.borrow_mut().retain_mut(|sink| sink.on_event(&event).is_ok());
    }

    /// Returns the user's wish to stop.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Whether any step so far changed anything.
    pub fn changed(&self) -> bool {
        self.changed.get()
    }

    /// Runs `work` as a step: bounded by the run's deadline, told as events.
    ///
    /// # Errors
    /// The failure of `work`; that the deadline passed; that the user interrupted.
    pub async fn step<T>(
        &self,
        step: Step,
        work: impl AsyncFnOnce(&Scope<'_>) -> Result<Done<T>, Failure>,
    ) -> Result<T, Failure> {
        if self.cancel.is_cancelled() {
            return Err(interrupted_at(step));
        }
        let started = Instant::now();
        self.emit(EventKind::StepStarted { step: step.id.into(), title: step.title.into() });
        let scope = Scope::new(self, step);
        let result = tokio::select! {
            result = work(&scope) => result,
            failure = self.ended_from_outside(step) => Err(failure),
        };
        let elapsed_ms = milliseconds(started);
        match result {
            Ok(done) => {
                let outcome = outcome(&done);
                self.changed.set(self.changed.get() || done.changed());
                self.emit(EventKind::StepFinished { step: step.id.into(), outcome, elapsed_ms });
                Ok(done.into_inner())
            }
            Err(failure) => {
                let failure = failure.called_as(&self.program);
                self.emit(EventKind::StepFailed { step: step.id.into(), elapsed_ms, failure: failure.clone() });
                Err(failure)
            }
        }
    }

    /// Returns the failure that the clock or the user ends a step with, when they do.
    async fn ended_from_outside(&self, step: Step) -> Failure {
        let deadline = async {
            match self.deadline {
                Some((at, timeout)) => {
                    tokio::time::sleep_until(at).await;
                    timeout
                }
                None => std::future::pending().await,
            }
        };
        let interrupted = async {
            self.cancel.cancelled().await;
            if !self.told_to_stop.replace(true) {
                self.emit(EventKind::Stopping);
            }
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            timeout = deadline => self.deadline_passed(step, timeout),
            () = interrupted => interrupted_at(step),
        }
    }

    fn deadline_passed(&self, step: Step, timeout: Duration) -> Failure {
        let what = format!("`--timeout {}` passed at \"{}\"", humantime::format_duration(timeout), step.title);
        let failure = Failure::new(&DEADLINE_PASSED, what).hint("run the same command again: it continues from here");
        match self.last_seen.borrow_mut().remove(step.id) {
            Some(seen) => failure.because(format!("last seen: {seen}")),
            None => failure,
        }
    }

    /// Tells how the run ended and returns the exit code of the program.
    pub fn finish(&self, result: Result<Ending, Failure>) -> u8 {
        let (ending, failure) = match result {
            Ok(ending) => (ending, None),
            Err(failure) => (Ending::default(), Some(failure.called_as(&self.program))),
        };
        let called = |words: Vec<String>| words.iter().map(|words| called_as(words, &self.program)).collect();
        let exit_code = failure.as_ref().map_or(ending.exit_code, Failure::exit_code);
        self.emit(EventKind::RunFinished {
            ok: exit_code == 0,
            exit_code,
            changed: self.changed(),
            elapsed_ms: milliseconds(self.started),
            message: (!ending.message.is_empty()).then_some(ending.message),
            failure,
            notes: called(ending.notes),
            next: called(ending.next),
        });
        exit_code
    }
}

pub(super) fn interrupted_at(step: Step) -> Failure {
    Failure::new(&INTERRUPTED, format!("interrupted at \"{}\"", step.title))
        .hint("run the same command again: it continues from here")
}

pub(super) fn outcome<T>(done: &Done<T>) -> Outcome {
    if done.changed() { Outcome::Changed } else { Outcome::Unchanged }
}

pub(super) fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
