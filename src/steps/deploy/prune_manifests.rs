use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
};

use futures::{StreamExt, stream};
use serde_json::Value;

use super::{
    PARALLEL,
    apply_manifests::{Applied, kinds},
    record::{self, Kinds},
    request::retried,
    selector_of,
};
use crate::{
    effects::kube::{Kube, KubeError, ObjectRef, list_all},
    engine::{Scope, Step},
    failure::Failure,
    model::Done,
    plan::{manifests::prepare::HASH_ANNOTATION, stack::ParsedStack},
};

pub const STEP: Step = Step { id: "prune-manifests", title: "Remove what the stacks no longer have" };

/// Kinds whose deletion takes data, or the objects of others, with it.
const KEPT: [&str; 4] = ["Namespace", "PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition"];

/// Deletes the objects that an earlier deploy made and that the stacks no longer declare. Volumes, namespaces and
/// definitions are kept, and said.
///
/// # Errors
/// When the cluster refuses or does not answer.
pub async fn prune_manifests(
    kube: &dyn Kube,
    stacks: &[ParsedStack],
    applied: &Applied,
    scope: &Scope<'_>,
) -> Result<Done<()>, Failure> {
    let candidates: Kinds = match applied.recorded.iter().cloned().collect::<Option<Vec<_>>>() {
        Some(kinds) => kinds.into_iter().flatten().collect(),
        None => prunable_kinds(kube).await?,
    };
    let live = list_all(kube, candidates, &selector_of(stacks)).await?;
    let (kept, gone): (Vec<_>, Vec<_>) = unwanted(&live, &applied.objects)
        .into_iter()
        .filter(|object| !is_used_namespace(object, stacks, applied))
        .partition(|object| KEPT.contains(&object.kind.as_str()));
    for object in &kept {
        scope.warn(format!("{object} is in no manifest any more; it was kept, because deleting it deletes data"));
    }
    delete_all(kube, &gone, scope).await?;
    for object in &gone {
        scope.say(format!("deleted {object}"));
    }
    for (stack, recorded) in stacks.iter().zip(&applied.recorded) {
        let still_there = kept.iter().map(|object| (object.api_version.clone(), object.kind.clone()));
        let now: Kinds = kinds(stack.manifests.iter()).into_iter().chain(still_there).collect();
        if recorded.as_ref() != Some(&now) {
            record::write(kube, stack, &now, scope).await?;
        }
    }
    Ok(Done::when(!gone.is_empty(), ()))
}

/// Whether this is a namespace that no manifest declares and that the stacks need all the same.
fn is_used_namespace(object: &ObjectRef, stacks: &[ParsedStack], applied: &Applied) -> bool {
    let own = stacks.iter().any(|stack| stack.namespace == object.name);
    object.kind == "Namespace" && (own || applied.objects.iter().any(|used| used.namespace == object.name))
}

/// Deletes objects concurrently; those that are gone already are fine.
pub(super) async fn delete_all(kube: &dyn Kube, objects: &[ObjectRef], scope: &Scope<'_>) -> Result<(), Failure> {
    let deleted = Cell::new(0);
    let one = async |object: &ObjectRef| {
        scope.go_on()?;
        match retried(scope, object, async || kube.delete(object).await).await {
            Ok(()) | Err(KubeError::NotFound(_) | KubeError::Conflict(_)) => {}
            Err(error) => return Err(error.into_failure(format!("{object} could not be deleted"))),
        }
        deleted.set(deleted.get() + 1);
        scope.progress(deleted.get(), objects.len() as u64);
        Ok(())
    };
    let results: Vec<_> = stream::iter(objects.iter().map(one)).buffer_unordered(PARALLEL).collect().await;
    Failure::join(results.into_iter().filter_map(Result::err)).map_or(Ok(()), Err)
}

/// Returns what the orchestrator applied and nobody wants any more. Controllers copy labels to what they make
/// (EndpointSlices, ReplicaSets): such objects lack the annotation or have an owner.
fn unwanted(live: &HashMap<ObjectRef, Value>, wanted: &BTreeSet<ObjectRef>) -> Vec<ObjectRef> {
    let uid = |object: &Value| object["metadata"]["uid"].as_str().unwrap_or_default().to_string();
    // One object can be served in several versions: its uid tells.
    let mut known: HashSet<_> = wanted.iter().filter_map(|object| live.get(object)).map(uid).collect();
    let candidates: BTreeMap<_, _> =
        live.iter().filter(|(reference, object)| !wanted.contains(reference) && is_ours(object)).collect();
    candidates.into_iter().filter(|(_, object)| known.insert(uid(object))).map(|(object, _)| object.clone()).collect()
}

/// Whether the orchestrator applied this object, rather than a controller made it.
pub(super) fn is_ours(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let owned = metadata["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty());
    metadata["annotations"][HASH_ANNOTATION].is_string() && !owned && metadata["deletionTimestamp"].is_null()
}

/// Returns every kind that can be listed and deleted, each in the version that the cluster prefers.
pub(super) async fn prunable_kinds(kube: &dyn Kube) -> Result<Kinds, Failure> {
    let served = kube.kinds().await.map_err(|error| error.into_failure("the cluster's kinds are unknown"))?;
    let mut seen = BTreeSet::new();
    let group = |api_version: &str| api_version.split_once('/').map_or("", |(group, _)| group).to_string();
    Ok(served
        .iter()
        .filter(|served| ["list", "delete"].iter().all(|verb| served.verbs.iter().any(|own| own == verb)))
        .filter(|served| !matches!(served.kind.as_str(), "Event" | "Endpoints" | "EndpointSlice" | "Lease" | "Node"))
        .filter(|served| seen.insert((group(&served.api_version), served.plural.clone())))
        .map(|served| (served.api_version.clone(), served.kind.clone()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{super::testing::stack, *};

    #[test]
    fn a_namespace_that_is_used_belongs_to_the_stacks_though_no_manifest_declares_it() {
        let object = |kind: &str, namespace: &str, name: &str| ObjectRef {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        };
        let applied = Applied { objects: [object("ConfigMap", "used", "c")].into(), recorded: Vec::new() };
        let is_used = |name: &str| is_used_namespace(&object("Namespace", "", name), &[stack("")], &applied);
        assert!(is_used("shop") && is_used("used"));
        assert!(!is_used("left"));
    }
}
