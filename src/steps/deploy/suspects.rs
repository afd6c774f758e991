//! Pods that look stuck, and how long they have.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use super::wait_for_rollout::Advice;
use crate::{
    effects::kube::{Kube, KubeError, LogQuery},
    failure::{CONTAINER_CRASHES, Failure, JOB_FAILED, OBJECT_REFUSED, POD_NOT_READY},
    plan::{
        diagnosis::{self, Certainty, Finding, Log, Workload},
        rollout::{self, State},
        selector,
    },
};

/// Lines of a container's log that a failure shows.
const LOG_LINES: u32 = 20;
/// How long a controller may be refused its pods before that is a failure.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(3);

/// What was found, since when.
pub struct Suspects<'a> {
    advice: Advice<'a>,
    first_seen: HashMap<(String, &'static str), Instant>,
    current: Vec<Suspect>,
    /// Whether every unready workload has a finding of its own.
    others_settled: bool,
    /// When the last healthy pod became ready.
    settled_at: Option<Timestamp>,
}

struct Suspect {
    workload: Workload,
    cause: Cause,
    age: Duration,
}

enum Cause {
    Pod(Finding),
    /// The controller gave up, or cannot make pods: a ready failure.
    Controller(Failure, Duration),
}

impl<'a> Suspects<'a> {
    pub fn new(advice: Advice<'a>) -> Self {
        Self { advice, first_seen: HashMap::new(), current: Vec::new(), others_settled: false, settled_at: None }
    }

    /// Looks at the pods and events of the unready workloads.
    pub async fn look(&mut self, kube: &dyn Kube, unready: &[(Option<&Value>, &Workload)]) -> Result<(), Failure> {
        let namespaces: BTreeSet<_> = unready.iter().map(|(_, workload)| workload.namespace.as_str()).collect();
        let mut world = World::default();
        for namespace in namespaces {
            world.add(kube, namespace).await?;
        }
        self.settled_at = diagnosis::last_became_ready(&world.pods);
        self.current.clear();
        let mut settled = true;
        for (object, workload) in unready {
            let cause = object.and_then(|object| self.cause(&world, object, workload));
            settled &= cause.is_some();
            self.current.extend(cause.map(|(key, cause)| {
                let age = self.first_seen.entry(key).or_insert_with(Instant::now).elapsed();
                Suspect { workload: (*workload).clone(), cause, age }
            }));
        }
        self.others_settled = settled;
        Ok(())
    }

    fn cause(&self, world: &World, object: &Value, workload: &Workload) -> Option<((String, &'static str), Cause)> {
        let mut findings: Vec<_> =
            world.pods_of(object).filter_map(|pod| diagnosis::diagnose(pod, &world.events)).collect();
        findings.sort_by_key(|finding| rank(finding.entry.id));
        if let State::Failed(words) = rollout::rollout(object).state {
            return Some(self.given_up(object, workload, &words, findings.first()));
        }
        if let Some(finding) = findings.into_iter().next() {
            return Some(((finding.uid.clone(), finding.entry.id), Cause::Pod(finding)));
        }
        let owners: Vec<_> = std::iter::once(object).chain(world.replica_sets_of(object)).collect();
        let refusal = diagnosis::creation_refusals(&owners, &world.events).into_iter().next()?;
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
        let builds = |(_, reference): &(&String, &String)| finding.image.as_ref() == Some(*reference);
        let build = self.advice.references.iter().find(builds).map(|(name, _)| name.as_str());
        diagnosis::failure(workload, finding, log, build, self.advice.kubectl)
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

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().into()
}

/// What the namespaces of the unready workloads hold.
#[derive(Default)]
struct World {
    pods: Vec<Value>,
    replica_sets: Vec<Value>,
    events: Vec<Value>,
}

impl World {
    async fn add(&mut self, kube: &dyn Kube, namespace: &str) -> Result<(), Failure> {
        let list = async |api_version: &str, kind: &str| match kube.list(api_version, kind, Some(namespace), "").await {
            Err(KubeError::NoSuchKind(_) | KubeError::NotFound(_)) => Ok(Vec::new()),
            list => list.map_err(|error| error.into_failure(format!("cannot list objects of kind {kind}"))),
        };
        let (pods, replica_sets, events) =
            futures::try_join!(list("v1", "Pod"), list("apps/v1", "ReplicaSet"), list("v1", "Event"))?;
        self.pods.extend(pods);
        self.replica_sets.extend(replica_sets);
        self.events.extend(events);
        Ok(())
    }

    fn replica_sets_of(&self, object: &Value) -> impl Iterator<Item = &Value> {
        let uid = uid(object);
        self.replica_sets.iter().filter(move |set| {
            set["metadata"]["ownerReferences"]
                .as_array()
                .is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid.as_str()))
        })
    }

    /// Returns the pods of a workload's newest revision: what is wrong with older ones is being replaced.
    fn pods_of<'w>(&'w self, object: &'w Value) -> impl Iterator<Item = &'w Value> {
        let revision = self.newest_revision(object);
        let namespace = &object["metadata"]["namespace"];
        self.pods.iter().filter(move |pod| {
            let own = if object["kind"] == "Pod" {
                pod["metadata"]["uid"] == object["metadata"]["uid"]
            } else {
                &pod["metadata"]["namespace"] == namespace && selector::matches(&object["spec"]["selector"], pod)
            };
            own && revision.as_ref().is_none_or(|(label, value)| pod["metadata"]["labels"][*label] == value.as_str())
        })
    }

    fn newest_revision(&self, object: &Value) -> Option<(&'static str, String)> {
        const REVISION: &str = "deployment.kubernetes.io/revision";
        let (label, value) = match object["kind"].as_str()? {
            "Deployment" => {
                let newest = &object["metadata"]["annotations"][REVISION];
                let set =
                    self.replica_sets_of(object).find(|set| &set["metadata"]["annotations"][REVISION] == newest)?;
                ("pod-template-hash", &set["metadata"]["labels"]["pod-template-hash"])
            }
            "StatefulSet" => ("controller-revision-hash", &object["status"]["updateRevision"]),
            _ => return None,
        };
        Some((label, value.as_str()?.into()))
    }
}
