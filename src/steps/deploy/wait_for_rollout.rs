use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{selector_of, suspects::Suspects};
use crate::{
    effects::kube::{Kube, ObjectRef, list_all},
    engine::{Scope, Step},
    failure::{Failure, ROLLOUT_INCOMPLETE},
    model::Done,
    plan::{
        diagnosis::{Advice, Workload},
        rollout::{self, State, WORKLOADS},
        stack::ParsedStack,
    },
};

pub const STEP: Step = Step { id: "wait-for-rollout", title: "Wait until the workloads are ready" };

/// How long a rollout may take when nothing is found to be wrong with it.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// How long the cluster may stay silent in the middle of it.
const SILENCE: Duration = Duration::from_secs(60);

/// Waits until every workload of the stacks is rolled out. Ends early when a pod is found that cannot become ready.
///
/// # Errors
/// Why each stuck workload is stuck; that it took longer than `patience`; that the cluster fell silent.
pub async fn wait_for_rollout(
    kube: &dyn Kube,
    stacks: &[ParsedStack],
    patience: Duration,
    advice: Advice<'_>,
    scope: &Scope<'_>,
) -> Result<Done<()>, Failure> {
    let targets = targets(stacks);
    let kinds: BTreeSet<_> =
        targets.iter().map(|(object, _)| (object.api_version.clone(), object.kind.clone())).collect();
    let started = Instant::now();
    let mut suspects = Suspects::new(advice);
    let mut last_answer = Instant::now();
    let mut last_seen = String::new();
    loop {
        let looked = look(kube, &targets, &kinds, stacks, &mut suspects, scope).await;
        let seen = match looked {
            Ok(None) => return Ok(Done::Unchanged(())),
            Ok(Some(unready)) => {
                last_answer = Instant::now();
                unready
            }
            Err(failure) if failure.id == crate::failure::API_REQUEST_FAILED.id && last_answer.elapsed() < SILENCE => {
                failure.to_string()
            }
            Err(failure) => return Err(failure),
        };
        if seen != last_seen {
            scope.waiting(&seen);
            last_seen = seen;
        }
        if started.elapsed() > patience {
            return Err(took_too_long(kube, &mut suspects, patience, &last_seen).await);
        }
        tokio::time::sleep((started.elapsed() / 20).clamp(Duration::from_millis(25), Duration::from_secs(1))).await;
        scope.go_on()?;
    }
}

/// Looks once; returns what is not ready yet, in one line, or `None` if everything is.
async fn look(
    kube: &dyn Kube,
    targets: &[(ObjectRef, Workload)],
    kinds: &BTreeSet<(String, String)>,
    stacks: &[ParsedStack],
    suspects: &mut Suspects<'_>,
    scope: &Scope<'_>,
) -> Result<Option<String>, Failure> {
    let live = list_all(kube, kinds.iter().cloned(), &selector_of(stacks)).await?;
    let mut unready = Vec::new();
    let mut seen = Vec::new();
    for (object, workload) in targets {
        match missing(&live, object) {
            None => {}
            Some(words) => {
                seen.push(format!("{} ({words})", workload.name));
                unready.push((live.get(object), workload));
            }
        }
    }
    scope.progress((targets.len() - unready.len()) as u64, targets.len() as u64);
    if unready.is_empty() {
        return Ok(None);
    }
    suspects.look(kube, &unready, scope).await?;
    suspects.hopeless(kube).await.map_or(Ok(Some(shortened(&seen))), Err)
}

/// Names the first few and counts the others.
fn shortened(seen: &[String]) -> String {
    const NAMED: usize = 3;
    let named = seen.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if seen.len() > NAMED { format!("{named} and {} more", seen.len() - NAMED) } else { named }
}

/// Returns what a workload lacks; `None` if it is rolled out.
fn missing(live: &HashMap<ObjectRef, Value>, object: &ObjectRef) -> Option<String> {
    let Some(live) = live.get(object) else { return Some("not there yet".into()) };
    match rollout::rollout(live).state {
        State::Complete => None,
        State::Progressing(words) | State::Failed(words) => Some(words),
    }
}

fn targets(stacks: &[ParsedStack]) -> Vec<(ObjectRef, Workload)> {
    let all = stacks.iter().flat_map(|stack| stack.manifests.iter().map(move |manifest| (stack, manifest)));
    all.filter(|(_, manifest)| WORKLOADS.contains(&(manifest.api_version(), manifest.kind())))
        .map(|(stack, manifest)| {
            let workload = Workload {
                kind: manifest.kind().into(),
                name: manifest.name().into(),
                namespace: manifest.namespace().unwrap_or(&stack.namespace).into(),
                stack: stack.name.clone(),
                declared: manifest.place(),
            };
            (ObjectRef::of(&manifest.object), workload)
        })
        .collect()
}

async fn took_too_long(kube: &dyn Kube, suspects: &mut Suspects<'_>, patience: Duration, seen: &str) -> Failure {
    let within = humantime::format_duration(patience);
    let mut failure = Failure::new(&ROLLOUT_INCOMPLETE, format!("the workloads are not ready after {within}"))
        .because(seen)
        .hint("./orchestrator status");
    failure.others = suspects.all(kube).await;
    failure
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{super::testing::*, *};
    use crate::steps::deploy::apply_manifests::apply_manifests;

    const WEB: &str = "kind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n  \
                       selector: {matchLabels: {app: web}}\n  template: {spec: {containers: []}}\n";

    async fn deployed(status: Value) -> (FakeKube, [ParsedStack; 1]) {
        let kube = FakeKube::default();
        let stacks = [stack(WEB)];
        run(async |scope| apply_manifests(&kube, &stacks, scope).await).await.expect("applied");
        let mut web = kube.object("Deployment shop/web");
        web["status"] = status;
        kube.put(web);
        (kube, stacks)
    }

    #[tokio::test]
    async fn a_pod_that_blocks_its_stateful_set_is_replaced() {
        let kube = FakeKube::default();
        let set = WEB.replace("kind: Deployment", "apiVersion: apps/v1\nkind: StatefulSet");
        let stacks = [stack(&set)];
        run(async |scope| apply_manifests(&kube, &stacks, scope).await).await.expect("applied");
        let mut web = kube.object("StatefulSet shop/web");
        web["status"] = json!({"updateRevision": "new", "currentRevision": "old"});
        kube.put(web);
        pod(&kube, json!([{"name": "web", "ready": false, "state": {"waiting": {"reason": "ImagePullBackOff"}}}]));
        let failure = waited(&kube, &stacks).await.map(|_| ()).expect_err("still not ready");
        assert_eq!(failure.id, "DEP-008");
        assert!(!kube.names().contains(&"Pod shop/web-1".to_string()));
    }

    async fn waited(kube: &FakeKube, stacks: &[ParsedStack]) -> Result<Done<()>, Failure> {
        let references = BTreeMap::new();
        let advice = Advice { kubectl: "kubectl", references: &references };
        run(async |scope| wait_for_rollout(kube, stacks, Duration::from_secs(5), advice, scope).await).await
    }

    fn pod(kube: &FakeKube, statuses: Value) {
        kube.put(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "x:1"}]},
            "status": {"phase": "Pending", "containerStatuses": statuses},
        }));
    }

    #[tokio::test]
    async fn a_rolled_out_stack_is_not_waited_for() {
        let (kube, stacks) = deployed(json!({"updatedReplicas": 1, "replicas": 1, "availableReplicas": 1})).await;
        assert!(waited(&kube, &stacks).await.is_ok());
    }

    #[tokio::test]
    async fn an_image_that_is_not_there_ends_the_wait() {
        let (kube, stacks) = deployed(json!({"updatedReplicas": 1, "replicas": 1})).await;
        let waiting = json!({"reason": "ErrImagePull", "message": "x:1: not found"});
        pod(&kube, json!([{"name": "web", "ready": false, "state": {"waiting": waiting}}]));
        let failure = waited(&kube, &stacks).await.map(|_| ()).expect_err("stuck");
        assert_eq!(failure.id, "DEP-001");
        assert_eq!(failure.hint.as_deref(), Some("correct the image at a.yaml:1, then orchestrator deploy store"));
    }

    #[tokio::test]
    async fn a_crash_shows_the_last_lines_of_the_container() {
        let (kube, stacks) = deployed(json!({"updatedReplicas": 1, "replicas": 1})).await;
        let status = json!({"name": "web", "ready": false, "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}});
        pod(&kube, json!([status]));
        let failure = waited(&kube, &stacks).await.map(|_| ()).expect_err("stuck");
        assert_eq!((failure.id.as_str(), failure.output.as_deref()), ("DEP-002", Some("last words of web-1\n")));
    }

    #[tokio::test]
    async fn patience_ends_with_what_was_seen_and_suspected() {
        let (kube, stacks) = deployed(json!({"updatedReplicas": 1, "replicas": 1})).await;
        pod(&kube, json!([{"name": "web", "ready": false, "started": true, "state": {"running": {}}}]));
        let failure = waited(&kube, &stacks).await.map(|_| ()).expect_err("stuck");
        assert_eq!(failure.id, "DEP-008");
        assert_eq!(failure.because, ["web (0 of 1 replicas available)"]);
        assert_eq!(failure.others[0].id, "DEP-004");
    }
}
