//! Which kinds a stack has objects of, remembered in the cluster, so that pruning lists few kinds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::request::{refused_record, retried};
use crate::{
    effects::kube::{Kube, KubeError, ObjectRef},
    engine::Scope,
    failure::Failure,
    plan::{
        manifests::prepare::{MANAGED_BY_LABEL, MANAGER},
        stack::ParsedStack,
    },
};

/// API version and kind.
pub type Kinds = BTreeSet<(String, String)>;

/// Returns the kinds that the stack's objects have had; `None` if nothing was recorded.
pub async fn read(kube: &dyn Kube, stack: &ParsedStack, scope: &Scope<'_>) -> Result<Option<Kinds>, Failure> {
    let object = reference(&stack.name, &stack.namespace);
    match retried(scope, &object, async || kube.get(&object).await).await {
        Ok(record) => Ok(decode(&record)),
        Err(KubeError::NotFound(_)) => Ok(None),
        Err(error) => Err(refused_record(&object, error)),
    }
}

/// Records the kinds.
pub async fn write(kube: &dyn Kube, stack: &ParsedStack, kinds: &Kinds, scope: &Scope<'_>) -> Result<(), Failure> {
    let object = reference(&stack.name, &stack.namespace);
    let record = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": object.name, "namespace": object.namespace, "labels": {MANAGED_BY_LABEL: MANAGER}},
        "data": {"stack": stack.name, "kinds": encode(kinds)},
    });
    let answer = retried(scope, &object, async || kube.apply(&record, true).await).await;
    answer.map(drop).map_err(|error| refused_record(&object, error))
}

/// Names the record of a stack.
pub fn reference(stack: &str, namespace: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: namespace.into(),
        name: format!("orchestrator-stack-{stack}"),
    }
}

/// One kind per line, as `apps/v1 Deployment`.
fn encode(kinds: &Kinds) -> String {
    kinds.iter().map(|(api_version, kind)| format!("{api_version} {kind}\n")).collect()
}

fn decode(record: &Value) -> Option<Kinds> {
    let lines = record["data"]["kinds"].as_str()?.lines();
    Some(lines.filter_map(|line| line.split_once(' ')).map(|(api, kind)| (api.into(), kind.into())).collect())
}
