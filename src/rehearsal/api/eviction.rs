//! Evicting pods, within what their disruption budgets allow.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Api, delete,
    reply::{self, Reply},
    route::Target,
    selector::Selector,
    write::existing,
};
use crate::rehearsal::{
    object::status::{Cause, Status},
    resource::of,
    store::Object,
};

/// Deletes the pod that the target names, unless a disruption budget forbids it.
///
/// # Errors
/// 404 for an unknown pod, 429 when the budget is used up, 500 when several budgets select the pod.
pub(super) fn evict(api: &Api, target: &Target, options: &delete::DeleteOptions) -> Result<Reply, Status> {
    let pod = existing(api, target)?;
    match &budgets(api, &pod)[..] {
        [] => {}
        _ if pod.deleting => {}
        [budget] => take(api, budget, options.dry_run)?,
        _ => {
            return Err(Status::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    }
    delete::delete(api, target, options)?;
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(reply::json(StatusCode::CREATED, &done))
}

fn budgets(api: &Api, pod: &Object) -> Vec<Arc<Object>> {
    let (mut budgets, _) = api.store.list(of("PodDisruptionBudget"), Some(&pod.key.namespace));
    budgets.retain(|budget| Selector::of_object(&budget.value()["spec"]["selector"]).matches(&pod.labels));
    budgets
}

/// Takes one disruption from a budget, so that concurrent evictions cannot use the same.
fn take(api: &Api, budget: &Object, dry_run: bool) -> Result<(), Status> {
    let allowed = |value: &Value| value["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
    let mut taken = false;
    api.store.modify(&budget.key, |budget| {
        let mut value = budget.value();
        let left = allowed(&value);
        taken = left > 0;
        if !taken || dry_run {
            return None;
        }
        value["status"]["disruptionsAllowed"] = json!(left - 1);
        Some(value)
    });
    if taken {
        return Ok(());
    }
    let status = budget.value()["status"].clone();
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    let why = format!(
        "The disruption budget {} needs {} healthy pods and has {} currently",
        budget.key.name,
        number("desiredHealthy"),
        number("currentHealthy")
    );
    Err(Status::too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.")
        .with_causes(&[Cause::new("", "DisruptionBudget", why)]))
}
