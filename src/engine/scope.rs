use std::time::{Duration, Instant};

use futures::{StreamExt, stream};

use super::{
    EventKind, Outcome, Run, Step,
    run::{milliseconds, outcome},
};
use crate::{
    failure::{Entry, Failure},
    model::{Done, Machine, MachineSpec},
};

/// How many machines are worked on at the same time.
const PARALLEL: usize = 50;

/// What a step, or the piece of it that is about one machine, sees of its run.
pub struct Scope<'r> {
    run: &'r Run,
    step: Step,
    on: Option<String>,
}

/// Something with a name that events can be about.
pub trait Named {
    fn name(&self) -> &str;
}

impl Named for Machine {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for MachineSpec {
    fn name(&self) -> &str {
        &self.name
    }
}

impl<T: Named + ?Sized> Named for &T {
    fn name(&self) -> &str {
        (*self).name()
    }
}

/// How long to wait for something, and what to say when it does not come.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Completes "waited 30s for ...".
    pub what: String,
    pub within: Duration,
    pub every: Duration,
    pub failure: &'static Entry,
}

/// The state of what is waited for.
#[derive(Debug)]
pub enum Seen<T> {
    Ready(T),
    /// Not yet; the text says what was seen instead.
    NotYet(String),
}

impl<'r> Scope<'r> {
    pub(super) fn new(run: &'r Run, step: Step) -> Self {
        Self { run, step, on: None }
    }

    fn step(&self) -> String {
        self.step.id.into()
    }

    /// Tells something worth knowing.
    pub fn say(&self, message: impl Into<String>) {
        self.run.emit(EventKind::Said { step: self.step(), on: self.on.clone(), message: message.into() });
    }

    /// Tells something that the user may want to change.
    pub fn warn(&self, message: impl Into<String>) {
        self.run.emit(EventKind::Warned { step: self.step(), on: self.on.clone(), message: message.into() });
    }

    /// Tells what is being waited for.
    pub fn waiting(&self, seen: impl Into<String>) {
        self.run.emit(EventKind::Waiting { step: self.step(), on: self.on.clone(), seen: seen.into() });
    }

    /// Tells how much is done.
    pub fn progress(&self, done: u64, of: u64) {
        self.run.emit(EventKind::Progressed { step: self.step(), on: self.on.clone(), done, of });
    }

    /// Ends long work early.
    ///
    /// # Errors
    /// When the user wants to stop.
    pub fn go_on(&self) -> Result<(), Failure> {
        if self.run.cancel().is_cancelled() { Err(self.run.interrupted(self.step)) } else { Ok(()) }
    }

    /// Runs `work` about one thing, told as events of its own.
    ///
    /// # Errors
    /// The failure of `work`.
    pub async fn on<T>(
        &self,
        name: &str,
        work: impl AsyncFnOnce(&Scope<'_>) -> Result<Done<T>, Failure>,
    ) -> Result<Done<T>, Failure> {
        self.go_on()?;
        let scope = Scope { run: self.run, step: self.step, on: Some(name.into()) };
        self.run.emit(EventKind::WorkStarted { step: self.step(), on: name.into() });
        let started = Instant::now();
        let result = work(&scope).await;
        self.run.emit(EventKind::WorkFinished {
            step: self.step(),
            on: name.into(),
            outcome: result.as_ref().map_or(Outcome::Failed, outcome),
            elapsed_ms: milliseconds(started),
        });
        result
    }

    /// Runs `work` on all `items` at the same time and returns the results in their order. All are finished before a
    /// failure is reported, and every failure is.
    ///
    /// # Errors
    /// The failures of `work`, joined.
    pub async fn on_each<I: Named, T>(
        &self,
        items: &[I],
        work: impl AsyncFn(&I, &Scope<'_>) -> Result<Done<T>, Failure>,
    ) -> Result<Done<Vec<T>>, Failure> {
        let work = &work;
        let one = async |item: &I| self.on(item.name(), async |scope| work(item, scope).await).await;
        let results: Vec<_> = stream::iter(items.iter().map(one)).buffered(PARALLEL).collect().await;
        let mut failures = Vec::new();
        let mut values = Vec::new();
        let mut changed = false;
        for result in results {
            match result {
                Ok(done) => {
                    changed |= done.changed();
                    values.push(done.into_inner());
                }
                Err(failure) => failures.push(failure),
            }
        }
        Failure::join(failures).map_or(Ok(Done::when(changed, values)), Err)
    }

    /// Looks again and again until `attempt` is ready.
    ///
    /// # Errors
    /// What `attempt` finds hopeless; the patience's failure, with what was last seen; that the user interrupted.
    pub async fn until<T>(
        &self,
        patience: &Patience,
        mut attempt: impl AsyncFnMut() -> Result<Seen<T>, Failure>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + patience.within;
        let mut last = String::new();
        loop {
            let begun = Instant::now();
            match attempt().await? {
                Seen::Ready(value) => return Ok(value),
                Seen::NotYet(seen) if seen != last => {
                    self.waiting(&seen);
                    last = seen;
                }
                Seen::NotYet(_) => {}
            }
            // A look that takes long is not repeated at once: it would slow what it waits for.
            let pause = patience.every.max(begun.elapsed());
            if Instant::now() + pause > deadline {
                let within = humantime::format_duration(patience.within);
                let failure = Failure::new(patience.failure, format!("waited {within} for {}", patience.what));
                return Err(if last.is_empty() { failure } else { failure.because(format!("last seen: {last}")) });
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.run.cancel().cancelled() => {}
            }
            self.go_on()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, io, rc::Rc};

    use super::*;
    use crate::{
        engine::{Canceller, Event, Sink},
        failure::{API_NOT_READY, NODE_NOT_READY},
    };

    const STEP: Step = Step { id: "wait", title: "Wait" };

    #[derive(Clone, Default)]
    struct Recorded(Rc<RefCell<Vec<EventKind>>>);

    impl Sink for Recorded {
        fn on_event(&mut self, event: &Event) -> io::Result<()> {
            self.0.borrow_mut().push(event.kind.clone());
            Ok(())
        }
    }

    fn patience() -> Patience {
        Patience {
            what: "rain".into(),
            within: Duration::from_secs(30),
            every: Duration::from_secs(1),
            failure: &API_NOT_READY,
        }
    }

    struct Thing(&'static str);

    impl Named for Thing {
        fn name(&self) -> &str {
            self.0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_ends_badly_says_what_it_last_saw_and_says_each_sight_once() {
        let events = Recorded::default();
        let (_canceller, cancel) = Canceller::new();
        let run = Run::new(vec![Box::new(events.clone())], cancel, None);
        let failure = run
            .step(STEP, async |scope| {
                scope.until(&patience(), async || Ok(Seen::<Done<()>>::NotYet("sun".into()))).await
            })
            .await
            .unwrap_err();
        assert_eq!(failure.to_string(), "waited 30s for rain: last seen: sun");
        let waits = events.0.borrow().iter().filter(|event| matches!(event, EventKind::Waiting { .. })).count();
        assert_eq!(waits, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_of_the_run_ends_a_step_and_names_it() {
        let (_canceller, cancel) = Canceller::new();
        let run = Run::new(Vec::new(), cancel, Some(Duration::from_secs(3)));
        let failure = run
            .step(STEP, async |scope| {
                scope.until(&patience(), async || Ok(Seen::<Done<()>>::NotYet("sun".into()))).await
            })
            .await
            .unwrap_err();
        assert_eq!(failure.exit_code(), 9);
        assert_eq!(failure.to_string(), "`--timeout 3s` passed at \"Wait\": last seen: sun");
    }

    #[tokio::test(start_paused = true)]
    async fn ctrl_c_ends_a_wait_and_no_later_step_begins() {
        let (canceller, cancel) = Canceller::new();
        let run = Run::new(Vec::new(), cancel, None);
        let wait = run.step(STEP, async |scope| {
            scope.until(&patience(), async || Ok(Seen::<Done<()>>::NotYet("sun".into()))).await
        });
        let interrupt = async { canceller.cancel() };
        let (result, ()) = tokio::join!(wait, interrupt);
        assert_eq!(result.unwrap_err().exit_code(), 130);
        let later = run.step(STEP, async |_| Ok(Done::Changed(()))).await;
        assert_eq!(later.unwrap_err().exit_code(), 130);
        assert!(!run.changed());
    }

    #[tokio::test]
    async fn on_each_finishes_all_and_reports_every_failure() {
        let (_canceller, cancel) = Canceller::new();
        let run = Run::new(Vec::new(), cancel, None);
        let things = [Thing("a"), Thing("b"), Thing("c")];
        let failure = run
            .step(STEP, async |scope| {
                scope
                    .on_each(&things, async |thing, _| match thing.0 {
                        "b" => Ok(Done::Changed(())),
                        name => Err(Failure::new(&NODE_NOT_READY, name)),
                    })
                    .await
            })
            .await
            .unwrap_err();
        assert_eq!(failure.what, "a");
        assert_eq!(failure.others.iter().map(|other| other.what.as_str()).collect::<Vec<_>>(), ["c"]);
    }
}
