//! One object to the cluster, with the patience that a busy or young cluster needs.

use std::time::Duration;

use serde_json::Value;

use crate::{
    effects::kube::{Kube, KubeError, ObjectRef},
    engine::Scope,
    failure::{Failure, OBJECT_REFUSED},
    plan::manifests::{Manifest, prepare::is_up_to_date},
};

/// Waits between attempts at a request that may yet succeed; about half a minute in all.
const DELAYS_MS: [u64; 10] = [50, 100, 200, 500, 1000, 2000, 4000, 8000, 8000, 8000];

/// Sends a prepared manifest unless `live` already is what it asks for; returns whether anything changed. Fields that
/// someone else has set are taken over, and said.
pub async fn send(
    kube: &dyn Kube,
    manifest: &Manifest,
    live: Option<&Value>,
    scope: &Scope<'_>,
) -> Result<bool, Failure> {
    if live.is_some_and(|live| is_up_to_date(live, &manifest.object)) {
        return Ok(false);
    }
    let object = ObjectRef::of(&manifest.object);
    let answer = match retried(scope, &object, async || kube.apply(&manifest.object, false).await).await {
        Err(KubeError::Conflict(words)) => {
            scope.warn(format!(
                "{object}: taken over from others: {}",
                words.split_whitespace().collect::<Vec<_>>().join(" ")
            ));
            retried(scope, &object, async || kube.apply(&manifest.object, true).await).await
        }
        answer => answer,
    };
    let answer = answer.map_err(|error| refused(manifest, &object, error))?;
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    Ok(live.is_none_or(|live| version(live) != version(&answer)))
}

/// Repeats a request while its failure is one that passes: no answer, an overloaded or starting server, a namespace
/// on its way out, an account on its way in.
pub async fn retried<T>(
    scope: &Scope<'_>,
    object: &ObjectRef,
    attempt: impl AsyncFn() -> Result<T, KubeError>,
) -> Result<T, KubeError> {
    scope.retry(object, &DELAYS_MS.map(Duration::from_millis), passes, attempt).await
}

fn passes(error: &KubeError) -> bool {
    match error {
        error if error.may_pass() => true,
        KubeError::Refused(403, words) | KubeError::Conflict(words) => {
            words.contains("is being terminated")
                || words.contains("object is being deleted")
                || words.contains("error looking up service account")
        }
        _ => false,
    }
}

fn refused(manifest: &Manifest, object: &ObjectRef, error: KubeError) -> Failure {
    if let KubeError::Unreachable(_) = error {
        return error.into_failure(format!("{object} could not be sent"));
    }
    let place = manifest.place();
    let words = error.to_string();
    let immutable = words.contains("immutable") || words.contains("updates to statefulset spec");
    let hint = match immutable {
        true => format!("delete {object} (what it may not change needs a new one), then run the command again"),
        false => format!("correct {place}, then run the command again"),
    };
    Failure::new(&OBJECT_REFUSED, format!("the cluster refused {object}"))
        .because(words)
        .because(format!("it is declared at {place}"))
        .hint(hint)
}

/// The failure of a request about a stack's record.
pub fn refused_record(object: &ObjectRef, error: KubeError) -> Failure {
    error.into_failure(format!("the record of the stack, {object}, cannot be used"))
}
