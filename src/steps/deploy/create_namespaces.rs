use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::{PARALLEL, request::send};
use crate::{
    effects::kube::{Kube, ObjectRef, list_all},
    engine::{Scope, Step},
    failure::Failure,
    model::Done,
    plan::{
        manifests::{
            Manifest,
            prepare::prepare,
            waves::{Wave, wave_of},
        },
        stack::ParsedStack,
    },
};

pub const STEP: Step = Step { id: "create-namespaces", title: "Create namespaces" };

/// Creates the namespaces that the stacks declare, and those that they only use, so that Secrets can be generated
/// before anything needs them.
///
/// # Errors
/// When the cluster refuses one or does not answer.
pub async fn create_namespaces(
    kube: &dyn Kube,
    stacks: &[ParsedStack],
    scope: &Scope<'_>,
) -> Result<Done<()>, Failure> {
    let live = list_all(kube, [("v1".into(), "Namespace".into())], "").await?;
    let one = async |manifest: Manifest| {
        let live = live.get(&ObjectRef::of(&manifest.object));
        if manifest.is_declared() || live.is_none() { send(kube, &manifest, live, scope).await } else { Ok(false) }
    };
    let sent = stream::iter(stacks.iter().flat_map(wanted)).map(one).buffer_unordered(PARALLEL);
    let changed: Vec<_> = sent.try_collect().await?;
    Ok(Done::when(changed.contains(&true), ()))
}

/// Declared namespaces as they are written; used ones as made up here.
fn wanted(stack: &ParsedStack) -> Vec<Manifest> {
    let mut wanted: BTreeMap<String, Manifest> = stack
        .manifests
        .iter()
        .filter(|manifest| wave_of(manifest.group(), manifest.kind()) == Wave::Namespaces)
        .map(|manifest| (manifest.name().to_string(), manifest.clone()))
        .collect();
    let used = stack.manifests.iter().filter_map(Manifest::namespace).chain([stack.namespace.as_str()]);
    for name in used {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        wanted.entry(name.into()).or_insert_with(|| prepare(Manifest::made_up(object), &stack.name, &BTreeMap::new()));
    }
    wanted.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[tokio::test]
    async fn used_and_declared_namespaces_are_made_once() {
        let kube = FakeKube::default();
        let stacks =
            [stack("kind: Namespace\nmetadata: {name: a}\n---\nkind: ConfigMap\nmetadata: {name: c, namespace: b}\n")];
        let changed = run(async |scope| create_namespaces(&kube, &stacks, scope).await).await;
        assert!(changed.expect("done").changed());
        assert_eq!(kube.names(), ["Namespace a", "Namespace b", "Namespace shop"]);
        let again = run(async |scope| create_namespaces(&kube, &stacks, scope).await).await;
        assert!(!again.expect("done").changed());
    }
}
