//! Pods that look stuck, and how long they have.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use super::world::{World, uid};
use crate::{
    effects::kube::{Kube, LogQuery, ObjectRef},
    engine::Scope,
    failure::{CONTAINER_CRASHES, Failure, JOB_FAILED, OBJECT_REFUSED, POD_NOT_READY},
    plan::{
        diagnosis::{self, Advice, Certainty, Finding, Log, Workload},
        rollout::{self, State},
    },
};

/// Lines of a container's log that a failure shows.
const LOG_LINES: u32 = 20;
/// How long a controller may be refused its pods before that is a failure.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(3);

/// How long what was wrong before the wait began may take to heal: its cause may just have been removed.
const HEALING: Duration = Duration::from_secs(3);
/// How many times longer than a look the pause after it is.
const REST: u32 = 5;

/// What was found, since when.
pub struct Suspects<'a> {
    advice: Advice<'a>,
    /// Uids of pods that were deleted to unblock their StatefulSet.
    replaced: HashSet<String>,
    first_seen: HashMap<(String, &'static str), Instant>,
    /// Uids of the pods that were there at the first look: what is wrong with them may be left from before.
    old_pods: Option<HashSet<String>>,
    current: Vec<Suspect>,
    /// Whether every unready workload has a finding of its own.
    others_settled: bool,
    /// When the last healthy pod became ready.
    settled_at: Option<Timestamp>,
    /// Before this there is no closer look.
    next_look: Instant,
}

struct Suspect {
    workload: Workload,
    cause: Cause,
    age: Duration,
    /// It is about a pod that was there when the wait began.
    old: bool,
}

enum Cause {
    Pod(Finding),
    /// The controller gave up, or cannot make pods: a ready failure.
    Controller(Failure, Duration),
}

impl<'a> Suspects<'a> {
    pub fn new(advice: Advice<'a>) -> Self {
        Self {
            advice,
            replaced: HashSet::new(),
            first_seen: HashMap::new(),
            old_pods: None,
            current: Vec::new(),
            others_settled: false,
            settled_at: None,
            next_look: Instant::now(),
        }
    }

    /// Looks at the pods and events of the unready workloads, unless that was done just now: among thousands of pods a
    /// look takes its time, and would slow the cluster that it waits for.
    pub async fn look(
        &mut self,
        kube: &dyn Kube,
        unready: &[(Option<&Value>, &Workload)],
        scope: &Scope<'_>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        if started < self.next_look {
            return Ok(());
        }
        let namespaces: BTreeSet<_> = unready.iter().map(|(_, workload)| workload.namespace.as_str()).collect();
        let mut world = World::default();
        for namespace in namespaces {
            world.add(kube, namespace).await?;
        }
        self.unblock(kube, &world, unready, scope).await;
        self.settled_at = diagnosis::last_became_ready(&world.pods);
        let old_pods = self.old_pods.get_or_insert_with(|| world.pods.iter().map(uid).collect()).clone();
        self.current.clear();
        let mut settled = true;
        for (object, workload) in unready {
            let cause = object.and_then(|object| self.cause(&world, object, workload));
            settled &= cause.is_some();
            self.current.extend(cause.map(|(key, cause)| {
                let old = old_pods.contains(&key.0);
                let seen = *self.first_seen.entry(key).or_insert_with(Instant::now);
                Suspect { workload: (*workload).clone(), cause, age: seen.elapsed(), old }
            }));
        }
        self.others_settled = settled;
        self.next_look = Instant::now() + started.elapsed() * REST;
        Ok(())
    }

    /// Deletes pods of an older revision that are stuck: a StatefulSet with ordered pods waits for them for ever
    /// instead of replacing them, even when the new revision is the cure.
    async fn unblock(
        &mut self,
        kube: &dyn Kube,
        world: &World,
        unready: &[(Option<&Value>, &Workload)],
        scope: &Scope<'_>,
    ) {
        let sets = unready.iter().filter_map(|(object, _)| *object).filter(|object| object["kind"] == "StatefulSet");
        for pod in sets.flat_map(|set| world.old_pods_of(set)) {
            let stuck =
                diagnosis::diagnose(pod, world.events_about(pod)).filter(|finding| finding.entry != &POD_NOT_READY);
            let Some(finding) = stuck.filter(|finding| self.replaced.insert(finding.uid.clone())) else { continue };
            let object = ObjectRef {
                api_version: "v1".into(),
                kind: "Pod".into(),
                namespace: finding.namespace,
                name: finding.pod,
            };
            // Not fatal: the rollout then ends with the pod's own failure.
            match kube.delete(&object).await {
                Ok(()) => scope.say(format!("{object} was stuck in its old revision and is replaced")),
                Err(error) => scope.warn(format!("{object} is stuck in its old revision: {error}")),
            }
        }
    }

    fn cause(&self, world: &World, object: &Value, workload: &Workload) -> Option<((String, &'static str), Cause)> {
        let generation = |part: &str, key: &str| object[part][key].as_i64();
        let seen = generation("status", "observedGeneration");
        if seen.is_some() && seen < generation("metadata", "generation") {
            // Its pods are those of what it was before.
            return None;
        }
        let mut findings: Vec<_> =
            world.pods_of(object).filter_map(|pod| diagnosis::diagnose(pod, world.events_about(pod))).collect();
        findings.sort_by_key(|finding| rank(finding.entry.id));
        if let State::Failed(words) = rollout::rollout(object).state {
            return Some(self.given_up(object, workload, &words, findings.first()));
        }
        if let Some(finding) = findings.into_iter().next() {
            return Some(((finding.uid.clone(), finding.entry.id), Cause::Pod(finding)));
        }
        let mut owners = std::iter::once(object).chain(world.replica_sets_of(object));
        let refusal = owners
            .find_map(|owner| diagnosis::creation_refusals(&[owner], world.events_about(owner)).into_iter().next())?;
        let failure =
            Failure::new(&OBJECT_REFUSED, format!("{} `{}` may not make its pods", workload.kind, workload.name))
                .because(refusal)
                .hint(format!("correct {}, then ./orchestrator deploy {}", workload.declared, workload.stack));
        Some(((uid(object), OBJECT_REFUSED.id), Cause::Controller(failure, REFUSAL_PATIENCE)))
    }

    fn given_up(
        &self,
        object: &Value,
        workload: &Workload,
        words: &str,
        finding: Option<&Finding>,
    ) -> ((String, &'static str), Cause) {
        let job = workload.kind == "Job";
        let entry = if job { &JOB_FAILED } else { &crate::failure::ROLLOUT_INCOMPLETE };
        let mut failure = Failure::new(entry, format!("{} `{}` failed", workload.kind, workload.name))
            .because(words)
            .hint(format!("./orchestrator logs {}", workload.name));
        failure.others = finding.map(|finding| self.failure(workload, finding, "")).into_iter().collect();
        ((uid(object), entry.id), Cause::Controller(failure, Duration::ZERO))
    }

    /// Returns the failure of all workloads that cannot become ready, the likely root first; `None` if there is hope.
    pub async fn hopeless(&self, kube: &dyn Kube) -> Option<Failure> {
        let hopeless: Vec<_> = self.current.iter().filter(|suspect| self.is_hopeless(suspect)).collect();
        Failure::join(self.failures(kube, hopeless).await)
    }

    /// Returns a failure for each suspect, whether there is hope or not.
    pub async fn all(&self, kube: &dyn Kube) -> Vec<Failure> {
        self.failures(kube, self.current.iter().collect()).await
    }

    fn is_hopeless(&self, suspect: &Suspect) -> bool {
        match &suspect.cause {
            Cause::Controller(_, patience) => suspect.age >= *patience,
            Cause::Pod(_) if suspect.old && suspect.age < HEALING => false,
            Cause::Pod(finding) => match finding.certainty {
                Certainty::After(patience) => suspect.age >= patience,
                Certainty::AfterOthers(patience) => self.others_settled && suspect.age >= patience,
                Certainty::OnceOthersWereReady(started) => {
                    self.others_settled && (self.settled_at.is_none() || started > self.settled_at)
                }
            },
        }
    }

    async fn failures(&self, kube: &dyn Kube, mut suspects: Vec<&Suspect>) -> Vec<Failure> {
        suspects.sort_by_key(|suspect| match &suspect.cause {
            Cause::Pod(finding) => rank(finding.entry.id),
            Cause::Controller(..) => 1,
        });
        let mut failures = Vec::new();
        for suspect in suspects {
            failures.push(match &suspect.cause {
                Cause::Controller(failure, _) => failure.clone(),
                Cause::Pod(finding) => self.failure(&suspect.workload, finding, &last_lines(kube, finding).await),
            });
        }
        failures
    }

    fn failure(&self, workload: &Workload, finding: &Finding, log: &str) -> Failure {
        diagnosis::failure(workload, finding, log, self.advice)
    }
}

/// Causes before the consequences that they have for others.
fn rank(id: &str) -> u8 {
    match id {
        id if id == POD_NOT_READY.id => 3,
        id if id == CONTAINER_CRASHES.id => 2,
        _ => 0,
    }
}

async fn last_lines(kube: &dyn Kube, finding: &Finding) -> String {
    let Some(log) = finding.log else { return String::new() };
    let query =
        LogQuery { container: finding.container.clone(), previous: log == Log::Previous, tail: Some(LOG_LINES) };
    kube.logs(&finding.namespace, &finding.pod, &query).await.unwrap_or_default()
}
