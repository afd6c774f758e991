use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use futures::{StreamExt, stream};
use serde_json::Value;

use super::{
    PARALLEL,
    record::{self, Kinds},
    request::send,
    selector_of,
};
use crate::{
    effects::kube::{Kube, KubeError, ObjectRef, ServedKind, list_all},
    engine::{Patience, Scope, Seen, Step},
    failure::{Failure, OBJECT_REFUSED},
    model::Done,
    plan::{
        manifests::{
            Manifest,
            waves::{Wave, waves},
        },
        rollout::condition,
        stack::ParsedStack,
    },
};

/// What the stacks consist of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub objects: BTreeSet<ObjectRef>,
    /// The kinds that each stack has had so far, in the order of the stacks; `None` if nothing was recorded.
    pub recorded: Vec<Option<Kinds>>,
}

pub const STEP: Step = Step { id: "apply-manifests", title: "Apply manifests" };

/// Sends the prepared manifests of the stacks, wave by wave, each wave concurrently; what the cluster already has as
/// it is asked for is not sent. The namespaces are there: another step makes them.
///
/// # Errors
/// Kinds that the cluster does not serve, before anything is sent; every object of a wave that was refused.
pub async fn apply_manifests(
    kube: &dyn Kube,
    stacks: &[ParsedStack],
    scope: &Scope<'_>,
) -> Result<Done<Applied>, Failure> {
    let served = kube.kinds().await.map_err(|error| error.into_failure("the cluster's kinds are unknown"))?;
    check_kinds(stacks, &served)?;
    let manifests: Vec<_> = stacks.iter().flat_map(|stack| in_namespaces(stack, &served)).collect();
    let objects: BTreeSet<_> = manifests.iter().map(|manifest| ObjectRef::of(&manifest.object)).collect();
    let selector = selector_of(stacks);
    let (recorded, live) =
        futures::try_join!(record_kinds(kube, stacks, scope), list_all(kube, kinds(manifests.iter()), &selector),)?;
    let mut waves = waves(manifests);
    waves.retain(|(wave, _)| *wave != Wave::Namespaces);
    let of = waves.iter().map(|(_, manifests)| manifests.len() as u64).sum();
    let sent = Sent { done: Cell::new(0), of, changed: Cell::new(0) };
    for (wave, manifests) in waves {
        apply_wave(kube, &manifests, &live, &sent, scope).await?;
        if wave == Wave::Definitions {
            wait_until_served(kube, &manifests, scope).await?;
        }
    }
    if sent.changed.get() > 0 {
        scope.say(format!("{} of {} objects changed", sent.changed.get(), sent.of));
    }
    Ok(Done::when(sent.changed.get() > 0, Applied { objects, recorded }))
}

struct Sent {
    done: Cell<u64>,
    of: u64,
    changed: Cell<u64>,
}

async fn apply_wave(
    kube: &dyn Kube,
    manifests: &[Manifest],
    live: &HashMap<ObjectRef, Value>,
    sent: &Sent,
    scope: &Scope<'_>,
) -> Result<(), Failure> {
    let one = async |manifest: &Manifest| {
        scope.go_on()?;
        let changed = send(kube, manifest, live.get(&ObjectRef::of(&manifest.object)), scope).await?;
        sent.changed.set(sent.changed.get() + u64::from(changed));
        sent.done.set(sent.done.get() + 1);
        scope.progress(sent.done.get(), sent.of);
        Ok(())
    };
    let results: Vec<_> = stream::iter(manifests.iter().map(one)).buffer_unordered(PARALLEL).collect().await;
    Failure::join(results.into_iter().filter_map(Result::err)).map_or(Ok(()), Err)
}

/// Remembers the kinds before the first object of a new kind is made: an interrupted deploy can be pruned too.
async fn record_kinds(
    kube: &dyn Kube,
    stacks: &[ParsedStack],
    scope: &Scope<'_>,
) -> Result<Vec<Option<Kinds>>, Failure> {
    let mut all = Vec::new();
    for stack in stacks {
        let recorded = record::read(kube, stack, scope).await?;
        let with_new = |recorded: &Kinds| recorded.iter().cloned().chain(kinds(stack.manifests.iter())).collect();
        let wanted: Option<Kinds> = recorded.as_ref().map(with_new);
        if let Some(wanted) = wanted.as_ref().filter(|_| wanted != recorded) {
            record::write(kube, stack, wanted, scope).await?;
        }
        all.push(wanted);
    }
    Ok(all)
}

/// Returns the kinds of these manifests, in the versions they are written in.
pub(super) fn kinds<'a>(manifests: impl Iterator<Item = &'a Manifest>) -> Kinds {
    manifests.map(|manifest| (manifest.api_version().to_string(), manifest.kind().to_string())).collect()
}

/// Fills in the stack's namespace for kinds of which only the cluster knew that they live in one.
fn in_namespaces(stack: &ParsedStack, served: &[ServedKind]) -> Vec<Manifest> {
    let namespaced = |manifest: &Manifest| serves(served, manifest).is_some_and(|kind| kind.namespaced);
    let mut manifests = stack.manifests.clone();
    for manifest in manifests.iter_mut().filter(|manifest| manifest.namespace().is_none() && namespaced(manifest)) {
        manifest.object["metadata"]["namespace"] = stack.namespace.as_str().into();
    }
    manifests
}

fn serves<'a>(served: &'a [ServedKind], manifest: &Manifest) -> Option<&'a ServedKind> {
    served.iter().find(|served| served.kind == manifest.kind() && served.api_version == manifest.api_version())
}

/// Refuses kinds that neither the cluster serves nor the stacks define.
fn check_kinds(stacks: &[ParsedStack], served: &[ServedKind]) -> Result<(), Failure> {
    let manifests = || stacks.iter().flat_map(|stack| &stack.manifests);
    let defined: BTreeSet<_> = manifests().filter_map(definition).collect();
    let unknown = manifests()
        .filter(|manifest| serves(served, manifest).is_none())
        .filter(|manifest| !defined.contains(&(manifest.group(), manifest.kind())));
    Failure::join(unknown.map(|manifest| unknown_kind(manifest, served))).map_or(Ok(()), Err)
}

fn definition(manifest: &Manifest) -> Option<(&str, &str)> {
    let spec = &manifest.object["spec"];
    let names = (spec["group"].as_str()?, spec["names"]["kind"].as_str()?);
    (manifest.kind() == "CustomResourceDefinition").then_some(names)
}

fn unknown_kind(manifest: &Manifest, served: &[ServedKind]) -> Failure {
    let (kind, api_version) = (manifest.kind(), manifest.api_version());
    let elsewhere = served.iter().find(|served| served.kind == kind).map(|served| served.api_version.clone());
    let similar = served.iter().max_by(|a, b| similarity(a, kind).total_cmp(&similarity(b, kind)));
    let similar = similar.filter(|served| similarity(served, kind) > 0.85).map(|served| served.kind.clone());
    let hint = match (elsewhere, similar) {
        (Some(version), _) => format!("write `apiVersion: {version}`"),
        (None, Some(similar)) => format!("did you mean `kind: {similar}`?"),
        (None, None) => format!("add the CustomResourceDefinition of {kind} to the stack"),
    };
    let place = manifest.place();
    Failure::new(&OBJECT_REFUSED, format!("the cluster serves no kind {kind} in {api_version}"))
        .because(format!("{kind} `{}` is declared at {place}", manifest.name()))
        .hint(hint)
}

fn similarity(served: &ServedKind, kind: &str) -> f64 {
    strsim::jaro_winkler(&served.kind, kind)
}

/// Waits until new CustomResourceDefinitions are served.
async fn wait_until_served(kube: &dyn Kube, definitions: &[Manifest], scope: &Scope<'_>) -> Result<(), Failure> {
    let patience = Patience {
        what: "the new kinds to be served".into(),
        within: Duration::from_secs(60),
        every: Duration::from_millis(100),
        failure: &OBJECT_REFUSED,
    };
    scope
        .until(&patience, async || {
            for definition in definitions {
                let object = ObjectRef::of(&definition.object);
                let live = match kube.get(&object).await {
                    Ok(live) => live,
                    Err(error @ (KubeError::NotFound(_) | KubeError::Unreachable(_))) => {
                        return Ok(Seen::NotYet(error.to_string()));
                    }
                    Err(error) => return Err(error.into_failure(format!("{object} cannot be read"))),
                };
                let established =
                    condition(&live, "Established").is_some_and(|condition| condition["status"] == "True");
                if !established {
                    return Ok(Seen::NotYet(format!("{object} is not established yet")));
                }
            }
            Ok(Seen::Ready(()))
        })
        .await?;
    kube.forget_kinds();
    Ok(())
}
