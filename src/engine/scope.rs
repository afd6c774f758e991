use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::{
    EventKind, Outcome, Run, Step,
    run::{interrupted_at, milliseconds, outcome},
};
use crate::{
    failure::{Entry, Failure},
    model::{Done, Machine, MachineSpec, Reached, check::CheckResult, image::ImageSpec},
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

impl Named for Reached {
    fn name(&self) -> &str {
        &self.machine.name
    }
}

impl Named for MachineSpec {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for ImageSpec {
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

    pub(super) fn emit(&self, kind: impl FnOnce(String, Option<String>) -> EventKind) {
        self.run.emit(kind(self.step(), self.on.clone()));
    }

    /// Waits so long, or until the user wants to stop.
    pub(super) async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.run.cancel().cancelled() => {}
        }
    }

    /// Tells something worth knowing.
    pub fn say(&self, message: impl Into<String>) {
        self.emit(|step, on| EventKind::Said { step, on, message: message.into() });
    }

    /// Tells something that the user may want to change.
    pub fn warn(&self, message: impl Into<String>) {
        self.emit(|step, on| EventKind::Warned { step, on, message: message.into() });
    }

    /// Tells what is being done.
    pub fn doing(&self, what: impl Into<String>) {
        self.emit(|step, on| EventKind::Doing { step, on, what: what.into() });
    }

    /// Tells what is being waited for.
    pub fn waiting(&self, seen: impl Into<String>) {
        self.emit(|step, on| EventKind::Waiting { step, on, seen: seen.into() });
    }

    /// Tells how a check came out.
    pub fn checked(&self, result: CheckResult) {
        self.emit(|step, _| EventKind::CheckFinished { step, result });
    }

    /// Tells how much is done.
    pub fn progress(&self, done: u64, of: u64) {
        self.emit(|step, on| EventKind::Progressed { step, on, done, of });
    }

    /// Ends long work early.
    ///
    /// # Errors
    /// When the user wants to stop.
    pub fn go_on(&self) -> Result<(), Failure> {
        if self.run.cancel().is_cancelled() { Err(interrupted_at(self.step)) } else { Ok(()) }
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
            self.pause(pause).await;
            self.go_on()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{
        engine::{Canceller, testing::*},
        failure::{API_NOT_READY, NODE_NOT_READY},
    };

    fn patience() -> Patience {
        Patience {
            what: "rain".into(),
            within: Duration::from_secs(30),
            every: Duration::from_secs(1),
            failure: &API_NOT_READY,
        }
    }

    async fn never<T>(scope: &Scope<'_>) -> Result<T, Failure> {
        scope.until(&patience(), async || Ok(Seen::NotYet("sun".into()))).await
    }

    async fn cancel_soon(canceller: &Canceller) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        canceller.cancel();
    }

    struct Thing(String);

    impl Named for Thing {
        fn name(&self) -> &str {
            &self.0
        }
    }

    fn things(count: usize) -> Vec<Thing> {
        (1..=count).map(|n| Thing(n.to_string())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_ends_badly_says_what_it_last_saw_and_says_each_sight_once() {
        let events = Recorded::default();
        let (_canceller, run) = run(&events, None);
        let began = Instant::now();
        let failure = run.step(STEP, async |scope| never::<Done<()>>(scope).await).await.unwrap_err();
        assert_eq!(failure.to_string(), "waited 30s for rain: last seen: sun");
        assert_eq!(events.count(|event| matches!(event, EventKind::Waiting { .. })), 1);
        assert_eq!(began.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_of_the_run_ends_a_step_and_names_it() {
        let (_canceller, run) = run(&Recorded::default(), Some(Duration::from_secs(3)));
        let failure = run.step(STEP, async |scope| never::<Done<()>>(scope).await).await.unwrap_err();
        assert_eq!(failure.exit_code(), 9);
        assert_eq!(failure.to_string(), "`--timeout 3s` passed at \"Wait\": last seen: sun");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_says_only_what_its_own_step_saw() {
        let (_canceller, run) = run(&Recorded::default(), Some(Duration::from_secs(3)));
        let other = Step { id: "other", title: "Other" };
        let saw = async |scope: &Scope<'_>| {
            scope.waiting("sun");
            Ok(Done::Unchanged(()))
        };
        run.step(other, saw).await.unwrap();
        let failure = run.step(STEP, async |_| std::future::pending::<Result<Done<()>, _>>().await).await.unwrap_err();
        assert_eq!(failure.to_string(), "`--timeout 3s` passed at \"Wait\"");
    }

    #[tokio::test(start_paused = true)]
    async fn ctrl_c_ends_a_wait_and_no_later_step_begins() {
        let events = Recorded::default();
        let (canceller, run) = run(&events, None);
        let wait = run.step(STEP, async |scope| never::<Done<()>>(scope).await);
        let (result, ()) = tokio::join!(wait, async { canceller.cancel() });
        assert_eq!(result.unwrap_err().exit_code(), 130);
        let later = run.step(STEP, async |_| Ok(Done::Changed(()))).await;
        assert_eq!(later.unwrap_err().exit_code(), 130);
        assert!(!run.changed());
        assert_eq!(events.count(|event| matches!(event, EventKind::StepStarted { .. })), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn ctrl_c_lets_work_finish_for_a_while_and_then_abandons_it() {
        let short = async |_: &Scope<'_>| {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(Done::Changed(()))
        };
        let events = Recorded::default();
        let (canceller, first) = run(&events, None);
        let (result, ()) = tokio::join!(first.step(STEP, short), cancel_soon(&canceller));
        result.unwrap();
        assert_eq!(events.count(|event| matches!(event, EventKind::Stopping)), 1);

        let (canceller, second) = run(&Recorded::default(), None);
        let began = Instant::now();
        let endless = second.step(STEP, async |_| std::future::pending::<Result<Done<()>, _>>().await);
        let (endless, ()) = tokio::join!(endless, cancel_soon(&canceller));
        assert_eq!(endless.unwrap_err().exit_code(), 130);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn on_each_finishes_all_and_reports_every_failure() {
        let events = Recorded::default();
        let (_canceller, run) = run(&events, None);
        let work = async |thing: &Thing, _: &Scope<'_>| match thing.0.as_str() {
            "2" => Ok(Done::Changed(())),
            name => Err(Failure::new(&NODE_NOT_READY, name)),
        };
        let failure = run.step(STEP, async |scope| scope.on_each(&things(3), work).await).await.unwrap_err();
        assert_eq!(failure.what, "1");
        assert_eq!(failure.others.iter().map(|other| other.what.as_str()).collect::<Vec<_>>(), ["3"]);
        assert_eq!(events.count(|event| matches!(event, EventKind::WorkFinished { .. })), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn on_each_works_on_many_at_a_time_but_not_on_all() {
        let (_canceller, run) = run(&Recorded::default(), None);
        let (now, most) = (Cell::new(0), Cell::new(0));
        let work = async |thing: &Thing, _: &Scope<'_>| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            tokio::time::sleep(Duration::from_secs(1)).await;
            now.set(now.get() - 1);
            Ok(Done::when(thing.0 == "7", thing.0.clone()))
        };
        let count = PARALLEL * 2 + 1;
        let names = run.step(STEP, async |scope| scope.on_each(&things(count), work).await).await.unwrap();
        assert_eq!(most.get(), PARALLEL);
        assert_eq!(names, (1..=count).map(|n| n.to_string()).collect::<Vec<_>>());
        assert!(run.changed());
    }

    #[tokio::test]
    async fn steps_run_beside_each_other() {
        let events = Recorded::default();
        let (_canceller, run) = run(&events, None);
        let (meet, met) = (tokio::sync::Barrier::new(2), Cell::new(0));
        let work = async |_: &Scope<'_>| {
            meet.wait().await;
            met.set(met.get() + 1);
            Ok(Done::Unchanged(()))
        };
        let other = Step { id: "other", title: "Other" };
        futures::future::try_join(run.step(STEP, work), run.step(other, work)).await.unwrap();
        assert_eq!(met.get(), 2);
    }
}
