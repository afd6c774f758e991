use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use serde_json::Value;

use super::{
    generate_secrets::GENERATED_ANNOTATION,
    prune_manifests::{delete_all, is_ours, prunable_kinds},
    record,
};
use crate::{
    effects::kube::{Kube, ObjectRef, list_all},
    engine::{Patience, Scope, Seen, Step},
    failure::{Failure, ROLLOUT_INCOMPLETE},
    model::Done,
    plan::{
        manifests::{
            prepare::STACK_LABEL,
            waves::{Wave, wave_of},
        },
        selector::matches,
    },
};

pub const STEP: Step = Step { id: "remove-stacks", title: "Remove the stacks" };

/// What becomes of the data of a removed stack: its volumes, and the generated passwords without which nobody could
/// read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    Keep,
    Delete,
}

/// Deletes everything that deploys of these stacks have made, and waits until it and its pods are gone. A namespace
/// goes with its stack unless kept data or another stack is in it.
///
/// # Errors
/// When the cluster refuses or does not answer, or when something stays.
pub async fn remove_stacks(
    kube: &dyn Kube,
    stacks: &[&str],
    data: Data,
    scope: &Scope<'_>,
) -> Result<Done<()>, Failure> {
    let kinds = prunable_kinds(kube).await?;
    let all = list_all(kube, kinds, STACK_LABEL).await?;
    let ours =
        |object: &Value| object["metadata"]["labels"][STACK_LABEL].as_str().is_some_and(|own| stacks.contains(&own));
    let (live, others): (HashMap<_, _>, HashMap<_, _>) = all
        .into_iter()
        .filter(|(_, object)| is_ours(object) || is_generated(object))
        .partition(|(_, object)| ours(object));
    if live.is_empty() {
        return Ok(Done::Unchanged(()));
    }
    let claims = list_all(kube, [("v1".into(), "PersistentVolumeClaim".into())], "").await?.into_keys().collect();
    let (kept, gone) = sorted_out(&live, &others, claims, data);
    if !kept.is_empty() {
        let names: Vec<_> = kept.iter().map(ToString::to_string).collect();
        scope.say(format!("kept, with the data in it: {}", names.join(", ")));
    }
    let records: Vec<_> = stacks
        .iter()
        .flat_map(|stack| namespaces(&live).map(|namespace| record::reference(stack, namespace)))
        .collect();
    let first = |object: &&ObjectRef| matches!(wave(object), Wave::Rest | Wave::Interceptors);
    let last = |object: &&ObjectRef| matches!(wave(object), Wave::Namespaces | Wave::Definitions);
    let phases = [
        gone.iter().filter(first).cloned().collect::<Vec<_>>(),
        gone.iter().filter(|object| !first(object) && !last(object)).cloned().chain(records).collect(),
        gone.iter().filter(last).cloned().collect(),
    ];
    let pods = pod_selectors(&live);
    for objects in phases {
        delete_all(kube, &objects, scope).await?;
        wait_until_gone(kube, &objects, &pods, scope).await?;
    }
    scope.say(format!("{} objects deleted", gone.len()));
    Ok(Done::when(!gone.is_empty(), ()))
}

fn wave(object: &ObjectRef) -> Wave {
    wave_of(object.api_version.split_once('/').map_or("", |(group, _)| group), &object.kind)
}

fn is_generated(object: &Value) -> bool {
    object["metadata"]["annotations"][GENERATED_ANNOTATION] == "true"
}

fn namespaces(live: &HashMap<ObjectRef, Value>) -> impl Iterator<Item = &str> {
    let mut namespaces: Vec<_> =
        live.keys().map(|object| object.namespace.as_str()).filter(|name| !name.is_empty()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    namespaces.into_iter()
}

/// Divides what there is into what is kept and what is deleted, each in order. `others` are objects of other stacks,
/// `claims` all volume claims of the cluster.
fn sorted_out(
    live: &HashMap<ObjectRef, Value>,
    others: &HashMap<ObjectRef, Value>,
    claims: Vec<ObjectRef>,
    data: Data,
) -> (Vec<ObjectRef>, Vec<ObjectRef>) {
    let holds_data = |name: &str| data == Data::Keep && claims.iter().any(|claim| claim.namespace == name);
    let is_shared = |name: &str| others.keys().any(|object| object.namespace == name);
    let is_kept = |object: &ObjectRef| match object.kind.as_str() {
        "PersistentVolumeClaim" | "PersistentVolume" => data == Data::Keep,
        "Namespace" => holds_data(&object.name) || is_shared(&object.name),
        "Secret" => holds_data(&object.namespace) && live.get(object).is_some_and(is_generated),
        _ => false,
    };
    let made: Vec<_> = made_claims(live, &claims).cloned().collect();
    let all: BTreeSet<_> = live.keys().cloned().chain(made).collect();
    all.into_iter().partition(is_kept)
}

/// Returns the claims that the controllers of these StatefulSets have made: `<template>-<set>-<number>`.
fn made_claims<'a>(live: &HashMap<ObjectRef, Value>, claims: &'a [ObjectRef]) -> impl Iterator<Item = &'a ObjectRef> {
    let mut prefixes = Vec::new();
    for (object, set) in live.iter().filter(|(object, _)| object.kind == "StatefulSet") {
        let templates = set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
        let names = templates.filter_map(|template| template["metadata"]["name"].as_str());
        prefixes.extend(names.map(|name| (object.namespace.clone(), format!("{name}-{}-", object.name))));
    }
    claims.iter().filter(move |claim| {
        prefixes.iter().any(|(namespace, prefix)| {
            let number = claim.name.strip_prefix(prefix.as_str());
            &claim.namespace == namespace && number.is_some_and(|number| number.parse::<u32>().is_ok())
        })
    })
}

/// Namespaces and selectors of the pods that the stacks' workloads have made.
fn pod_selectors(live: &HashMap<ObjectRef, Value>) -> Vec<(String, Value)> {
    live.iter()
        .filter(|(object, _)| wave(object) == Wave::Workloads)
        .map(|(object, workload)| (object.namespace.clone(), workload["spec"]["selector"].clone()))
        .collect()
}

async fn wait_until_gone(
    kube: &dyn Kube,
    objects: &[ObjectRef],
    pods: &[(String, Value)],
    scope: &Scope<'_>,
) -> Result<(), Failure> {
    let workloads = objects.iter().any(|object| wave(object) == Wave::Workloads);
    let kinds: record::Kinds = objects.iter().map(|object| (object.api_version.clone(), object.kind.clone())).collect();
    let patience = Patience {
        what: "everything to be gone".into(),
        within: Duration::from_secs(120),
        every: Duration::from_millis(25),
        failure: &ROLLOUT_INCOMPLETE,
    };
    scope
        .until(&patience, async || {
            let live = list_all(kube, kinds.iter().cloned(), "").await?;
            let mut left: Vec<_> =
                objects.iter().filter(|object| live.contains_key(object)).map(ToString::to_string).collect();
            if workloads {
                let all = list_all(kube, [("v1".into(), "Pod".into())], "").await?;
                let theirs = |(object, pod): &(&ObjectRef, &Value)| {
                    pods.iter().any(|(namespace, selector)| &object.namespace == namespace && matches(selector, pod))
                };
                left.extend(all.iter().filter(theirs).map(|(object, _)| object.to_string()));
            }
            left.sort();
            Ok(match left.as_slice() {
                [] => Seen::Ready(()),
                [only] => Seen::NotYet(format!("{only} is still there")),
                [first, rest @ ..] => Seen::NotYet(format!("{first} and {} more are still there", rest.len())),
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::*, *};
    use crate::plan::{
        cluster::{Secret, SecretValue},
        stack::ParsedStack,
    };
    use crate::steps::deploy::{
        apply_manifests::apply_manifests, create_namespaces::create_namespaces, generate_secrets::generate_secrets,
        prune_manifests::prune_manifests,
    };

    const CONFIG: &str = "kind: ConfigMap\nmetadata: {name: a}\n";

    async fn deploy(kube: &FakeKube, stacks: &[ParsedStack]) -> bool {
        run(async |scope| {
            let named = create_namespaces(kube, stacks, scope).await?.changed();
            let secret = generate_secrets(kube, stacks, scope).await?.changed();
            let applied = apply_manifests(kube, stacks, scope).await?;
            let changed = named || secret || applied.changed();
            let pruned = prune_manifests(kube, stacks, &applied.into_inner(), scope).await?;
            Ok(Done::when(changed || pruned.changed(), ()))
        })
        .await
        .expect("deployed")
        .changed()
    }

    async fn remove(kube: &FakeKube, data: Data) {
        run(async |scope| remove_stacks(kube, &["store"], data, scope).await).await.expect("removed");
    }

    fn with_secret(text: &str) -> [ParsedStack; 1] {
        let secret = Secret { name: "db".into(), entries: vec![("P".into(), SecretValue::Random(8))] };
        [ParsedStack { secrets: vec![secret], ..stack(text) }]
    }

    #[tokio::test]
    async fn a_second_deploy_sends_nothing_and_a_third_prunes() {
        let kube = FakeKube::default();
        let both = [stack(&format!("{CONFIG}---\n{}", CONFIG.replace(": a", ": b")))];
        assert!(deploy(&kube, &both).await);
        let applied = kube.applied.get();
        assert!(!deploy(&kube, &both).await);
        assert_eq!(kube.applied.get(), applied);
        assert!(deploy(&kube, &[stack(CONFIG)]).await);
        assert_eq!(kube.names(), ["ConfigMap shop/a", "ConfigMap shop/orchestrator-stack-store", "Namespace shop"]);
    }

    #[tokio::test]
    async fn what_somebody_changed_is_put_right_and_a_conflict_is_taken_over() {
        let kube = FakeKube::default();
        let stacks = [stack(&format!("{CONFIG}data: {{x: \"1\"}}\n"))];
        deploy(&kube, &stacks).await;
        let mut live = kube.object("ConfigMap shop/a");
        live["data"]["x"] = "2".into();
        kube.put(live);
        kube.conflict.replace(Some("ConfigMap shop/a".into()));
        assert!(deploy(&kube, &stacks).await);
        assert_eq!(kube.object("ConfigMap shop/a")["data"]["x"], "1");
    }

    #[tokio::test]
    async fn an_unknown_kind_is_refused_before_anything_is_sent() {
        let kube = FakeKube::default();
        let stacks = [stack(&format!("{CONFIG}---\nkind: ConfigMapp\nmetadata: {{name: b}}\n"))];
        let failure =
            run(async |scope| apply_manifests(&kube, &stacks, scope).await).await.map(|_| ()).expect_err("refused");
        assert_eq!(
            failure.to_string(),
            "the cluster serves no kind ConfigMapp in v1: ConfigMapp `b` is declared at a.yaml:5"
        );
        assert_eq!(failure.hint.as_deref(), Some("did you mean `kind: ConfigMap`?"));
        assert!(kube.names().is_empty());
    }

    #[tokio::test]
    async fn removing_a_stack_leaves_nothing() {
        let kube = FakeKube::default();
        deploy(&kube, &with_secret(CONFIG)).await;
        remove(&kube, Data::Keep).await;
        assert_eq!(kube.names(), [""; 0]);
    }

    #[tokio::test]
    async fn a_namespace_that_another_stack_uses_stays() {
        let kube = FakeKube::default();
        deploy(&kube, &[stack(CONFIG)]).await;
        let other = crate::plan::manifests::parse(
            &[("b.yaml".into(), format!("apiVersion: v1\n{}", CONFIG.replace(": a", ": b")))],
            "shop",
        );
        let other = ParsedStack { name: "other".into(), manifests: other.expect("valid"), ..stack("") };
        deploy(&kube, &[other.prepared(&Default::default(), None)]).await;
        remove(&kube, Data::Delete).await;
        assert_eq!(kube.names(), ["ConfigMap shop/b", "ConfigMap shop/orchestrator-stack-other", "Namespace shop"]);
    }

    #[tokio::test]
    async fn data_is_kept_with_its_passwords_unless_it_may_go() {
        let kube = FakeKube::default();
        let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  \
                   volumeClaimTemplates: [{metadata: {name: data}}]\n";
        deploy(&kube, &with_secret(set)).await;
        kube.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data-db-0", "namespace": "shop"}}));
        remove(&kube, Data::Keep).await;
        assert_eq!(kube.names(), ["Namespace shop", "PersistentVolumeClaim shop/data-db-0", "Secret shop/db"]);
        deploy(&kube, &with_secret(set)).await;
        remove(&kube, Data::Delete).await;
        assert_eq!(kube.names(), [""; 0]);
    }
}
