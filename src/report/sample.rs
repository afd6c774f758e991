//! Runs to show: together they hold every kind of event.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    engine::{Event, EventKind, Outcome, event::FORMAT},
    failure::{CONTAINER_CRASHES, Failure, INTERRUPTED, POD_NOT_READY},
    model::check::{CheckResult, Verdict},
};

/// Returns events 100 ms apart.
fn record(kinds: Vec<EventKind>) -> Vec<Event> {
    let begin = Timestamp::from_second(1_700_000_000).unwrap();
    let event = |(seq, kind)| Event { v: FORMAT, seq, at: begin + Duration::from_millis(seq * 100), kind };
    (1..).zip(kinds).map(event).collect()
}

fn began() -> EventKind {
    EventKind::RunStarted {
        command: "create".into(),
        cluster: "shop".into(),
        provider: "rehearsal".into(),
        version: "1.2.3".into(),
    }
}

fn step(id: &str, title: &str) -> EventKind {
    EventKind::StepStarted { step: id.into(), title: title.into() }
}

fn work(id: &str, on: &str) -> EventKind {
    EventKind::WorkStarted { step: id.into(), on: on.into() }
}

pub fn waiting(id: &str, on: Option<&str>, seen: &str) -> EventKind {
    EventKind::Waiting { step: id.into(), on: on.map(Into::into), seen: seen.into() }
}

fn worked(id: &str, on: &str, outcome: Outcome, elapsed_ms: u64) -> EventKind {
    EventKind::WorkFinished { step: id.into(), on: on.into(), outcome, elapsed_ms }
}

fn done(id: &str, outcome: Outcome, elapsed_ms: u64) -> EventKind {
    EventKind::StepFinished { step: id.into(), outcome, elapsed_ms }
}

fn ended(failure: Option<Failure>) -> EventKind {
    let exit_code = failure.as_ref().map_or(0, Failure::exit_code);
    let ok = failure.is_none();
    EventKind::RunFinished {
        ok,
        exit_code,
        changed: true,
        elapsed_ms: 75_300,
        message: ok.then(|| "cluster created".into()),
        failure,
        notes: if ok { vec!["this is a rehearsal".into(), "http://198.18.0.11:30000".into()] } else { Vec::new() },
        next: if ok { vec!["orchestrator status".into()] } else { Vec::new() },
    }
}

/// A run that waits, warns, repeats, counts, and ends well.
pub fn success() -> Vec<Event> {
    let progress = |done| EventKind::Progressed { step: "apply".into(), on: None, done, of: 25 };
    let mut kinds = vec![
        began(),
        step("reach", "Reach machines"),
        work("reach", "server-1"),
        work("reach", "agent-1"),
        waiting("reach", Some("server-1"), "connection refused: the machine is booting"),
        EventKind::Warned {
            step: "reach".into(),
            on: Some("server-1".into()),
            message: "its clock is 3 s late".into(),
        },
        worked("reach", "server-1", Outcome::Changed, 300),
        worked("reach", "agent-1", Outcome::Unchanged, 400),
        done("reach", Outcome::Changed, 500),
        step("apply", "Apply manifests"),
        EventKind::Said { step: "apply".into(), on: None, message: "25 objects in 5 waves".into() },
        EventKind::Retrying {
            step: "apply".into(),
            on: None,
            what: "Service shop/api".into(),
            attempt: 2,
            because: "the server is overloaded".into(),
        },
    ];
    kinds.extend((1..=25).map(progress));
    kinds.extend([
        done("apply", Outcome::Changed, 12_340),
        step("wait", "Wait until the workloads are ready"),
        waiting("wait", None, "api (0 of 3 replicas available)"),
        waiting("wait", None, "api (1 of 3 replicas available)"),
        waiting("wait", None, "api (2 of 3 replicas available)"),
        EventKind::Unknown,
        done("wait", Outcome::Unchanged, 62_000),
        ended(None),
    ]);
    record(kinds)
}

/// A run in which two pods fail side by side.
pub fn failure() -> Vec<Event> {
    let crash = Failure::new(&CONTAINER_CRASHES, "container `api` of pod shop/api-1 ends again and again")
        .because("exit code 1")
        .because("back-off 10s restarting")
        .output("connecting\n\npanicked: no database\n")
        .hint("kubectl logs -n shop api-1");
    let beside = Failure::new(&POD_NOT_READY, "pod shop/db-0 is not ready").hint("kubectl describe pod -n shop db-0");
    let failure = Failure::join([crash, beside]).unwrap();
    record(vec![
        began(),
        step("wait", "Wait until the workloads are ready"),
        work("wait", "shop"),
        waiting("wait", Some("shop"), "0 of 2 ready"),
        waiting("wait", Some("shop"), "1 of 2 ready"),
        EventKind::Progressed { step: "wait".into(), on: None, done: 0, of: 2 },
        EventKind::Progressed { step: "wait".into(), on: None, done: 1, of: 2 },
        worked("wait", "shop", Outcome::Failed, 200),
        EventKind::StepFailed { step: "wait".into(), elapsed_ms: 400, failure: failure.clone() },
        ended(Some(failure)),
    ])
}

/// A run that Ctrl-C ended while two steps ran beside each other.
pub fn interrupted() -> Vec<Event> {
    let failure = Failure::new(&INTERRUPTED, "interrupted at \"Join agents\"").hint("run the same command again");
    record(vec![
        began(),
        step("join", "Join agents"),
        step("kubeconfig", "Write kubeconfig"),
        work("join", "agent-1"),
        EventKind::Stopping,
        EventKind::StepFailed { step: "join".into(), elapsed_ms: 5_000, failure: failure.clone() },
        ended(Some(failure)),
    ])
}

/// Checks of which one passes, one fails and one cannot be run.
pub fn checks() -> Vec<Event> {
    let check = |check: &str, verdict| {
        let (stack, title) = ("shop".to_owned(), format!("{check} are there"));
        let result = CheckResult { stack, check: check.into(), title, verdict, elapsed_ms: 1250 };
        EventKind::CheckFinished { step: "run-checks".into(), result }
    };
    let because = "step 2, GET web/: answered 502, not 2xx".to_owned();
    record(vec![
        began(),
        step("run-checks", "Run the checks"),
        check("pods", Verdict::Passed),
        check("pages", Verdict::Failed { because, output: Some("<h1>\nbad gateway".into()) }),
        check("orders", Verdict::NotRun { because: "no container runs".into() }),
        done("run-checks", Outcome::Unchanged, 2_600),
        EventKind::RunFinished {
            ok: false,
            exit_code: 1,
            changed: false,
            elapsed_ms: 2_700,
            message: None,
            failure: None,
            notes: vec!["1 of 3 checks passed, 1 failed, 1 could not be run".into()],
            next: vec!["orchestrator status".into()],
        },
    ])
}

/// One step about so many machines, which are at different points.
pub fn crowd(machines: usize) -> Vec<Event> {
    let name = |n: usize| format!("student-{n}");
    let mut kinds = vec![began(), step("reach", "Reach machines")];
    kinds.extend((0..machines).map(|n| work("reach", &name(n))));
    kinds.extend((0..machines).skip(10).map(|n| waiting("reach", Some(&name(n)), "the machine is booting")));
    kinds.extend((0..10).map(|n| worked("reach", &name(n), Outcome::Changed, 100)));
    kinds.push(waiting("reach", Some(&name(20)), "connection refused"));
    record(kinds)
}

/// Streams as a crash, a bad disk or a newer version leaves them: every event twice, each one missing, backwards.
pub fn damaged() -> Vec<Vec<Event>> {
    let whole: Vec<_> = [success(), failure(), interrupted(), checks()].concat();
    let twice = whole.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
    let without = |n: usize| [&whole[..n], &whole[n + 1..]].concat();
    let mut streams: Vec<_> = (0..whole.len()).map(without).collect();
    streams.extend([twice, whole.into_iter().rev().collect()]);
    streams
}
