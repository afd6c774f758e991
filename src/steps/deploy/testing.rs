//! What the tests of this folder share.

use std::{collections::BTreeMap, path::PathBuf};

pub use crate::effects::fake_kube::FakeKube;
use crate::{
    engine::{Canceller, Run, Scope, Step},
    failure::Failure,
    model::Done,
    plan::{manifests::parse, stack::ParsedStack},
};

/// A prepared stack `store` in namespace `shop`; documents without `apiVersion` get one.
pub fn stack(text: &str) -> ParsedStack {
    let versioned = |document: &str| match document {
        _ if document.trim().is_empty() => String::new(),
        _ if document.contains("apiVersion") => document.into(),
        _ if document.contains("kind: Deployment") => format!("apiVersion: apps/v1\n{document}"),
        _ => format!("apiVersion: v1\n{document}"),
    };
    let text = text.split("---\n").map(versioned).collect::<Vec<_>>().join("---\n");
    let manifests = parse(&[(PathBuf::from("a.yaml"), text)], "shop").expect("valid manifests");
    ParsedStack { name: "store".into(), namespace: "shop".into(), manifests, secrets: Vec::new(), checks: Vec::new() }
        .prepared(&BTreeMap::new(), None)
}

/// Runs `work` as the only step of a run nobody watches.
pub async fn run<T>(work: impl AsyncFnOnce(&Scope<'_>) -> Result<Done<T>, Failure>) -> Result<Done<T>, Failure> {
    let (_canceller, cancel) = Canceller::new();
    let step = Step { id: "test", title: "Test" };
    let run = Run::new(Vec::new(), cancel, None);
    run.step(step, async |scope| work(scope).await.map(Done::Changed)).await
}
