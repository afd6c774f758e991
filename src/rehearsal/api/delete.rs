//! Deleting objects.

use std::sync::Arc;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Api,
    list::Filter,
    query::Query,
    reply::{self, JSON, Reply},
    route::Target,
    strategy,
    write::{existing, text},
};
use crate::rehearsal::{
    clock::this_second,
    object::status::Status,
    resource::Resource,
    store::{Object, Stale},
};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";
const POD_GRACE_SECONDS: i64 = 30;

/// What becomes of dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// A `DeleteOptions` object.
#[derive(Debug, Default)]
pub(super) struct DeleteOptions {
    grace_seconds: Option<i64>,
    propagation: Option<Propagation>,
    uid: Option<String>,
    resource_version: Option<String>,
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads the options from the body, if there is one, and from the query.
    ///
    /// # Errors
    /// 400 for options with unknown values.
    pub fn parse(body: &Value, query: &Query) -> Result<Self, Status> {
        let propagation = body["propagationPolicy"].as_str().or(query.get("propagationPolicy"));
        let orphan = body["orphanDependents"].as_bool().or(query.get("orphanDependents").map(|text| text == "true"));
        let propagation = match (propagation, orphan) {
            (None, None) => None,
            (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), _) => Some(Propagation::Foreground),
            (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
            (Some(other), _) => {
                return Err(Status::bad_request(format!(
                    "propagationPolicy: Unsupported value: {other:?}: supported values: \"Background\", \
                     \"Foreground\", \"Orphan\""
                )));
            }
        };
        let precondition = |name: &str| body["preconditions"][name].as_str().map(str::to_owned);
        let dry_run = query.dry_run()? || body["dryRun"].as_array().is_some_and(|list| list.contains(&json!("All")));
        Ok(Self {
            grace_seconds: body["gracePeriodSeconds"].as_i64().or(query.number("gracePeriodSeconds")?),
            propagation,
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
            dry_run,
        })
    }
}

/// Namespaces that a cluster cannot be without.
const IMMORTAL_NAMESPACES: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Deletes the object that the target names. Answers with the object while something still keeps it, else with a Status.
///
/// # Errors
/// 404 when there is none, 409 when it is not as the preconditions say.
pub(super) fn delete(api: &Api, target: &Target, options: &DeleteOptions) -> Result<Reply, Status> {
    loop {
        let object = existing(api, target)?;
        match delete_object(api, &object, options)? {
            Ok(Deleted::Gone) if object.key.resource.kind != "Pod" => {
                return Ok(reply::json(StatusCode::OK, &success(&object)));
            }
            Ok(Deleted::Gone) => return Ok(reply::bytes(StatusCode::OK, JSON, object.raw.clone())),
            Ok(Deleted::Marked(value)) => return Ok(reply::json(StatusCode::OK, &value)),
            Err(Stale) => {}
        }
    }
}

/// Deletes all selected objects of a collection and answers with the list of what they were.
///
/// # Errors
/// 400 for wrong selectors.
pub(super) fn delete_collection(
    api: &Api,
    target: &Target,
    query: &Query,
    options: &DeleteOptions,
) -> Result<Reply, Status> {
    let filter = Filter::parse(target, query)?;
    let (objects, version) = api.store.list(target.resource, target.namespace.as_deref());
    let selected: Vec<Arc<Object>> = objects.into_iter().filter(|object| filter.matches(object)).collect();
    for object in &selected {
        let mut object = Some(object.clone());
        while let Some(current) = object.take() {
            if delete_object(api, &current, options)?.is_err() {
                object = api.store.get(target.resource, &current.key.namespace, &current.key.name);
            }
        }
    }
    let head = super::list::head(target.resource, version, None);
    Ok(reply::bytes(StatusCode::OK, JSON, reply::list_document(&head, selected.iter().map(|object| &object.raw))))
}

enum Deleted {
    Gone,
    Marked(Value),
}

fn delete_object(api: &Api, object: &Object, options: &DeleteOptions) -> Result<Result<Deleted, Stale>, Status> {
    check_preconditions(object, options)?;
    if object.key.resource.kind == "Namespace" && IMMORTAL_NAMESPACES.contains(&object.key.name.as_str()) {
        return Err(Status::forbidden(object.key.resource, &object.key.name, "this namespace may not be deleted"));
    }
    let before = object.value();
    let after = marked(object.key.resource, before.clone(), options);
    if options.dry_run {
        return Ok(Ok(if strategy::is_gone(object.key.resource, &after) {
            Deleted::Gone
        } else {
            Deleted::Marked(after)
        }));
    }
    if strategy::is_gone(object.key.resource, &after) {
        return Ok(api.store.remove(object).map(|_| Deleted::Gone));
    }
    Ok(api.store.replace(object, after).map(|object| Deleted::Marked(object.value())))
}

fn check_preconditions(object: &Object, options: &DeleteOptions) -> Result<(), Status> {
    let version = object.version.to_string();
    for (what, wanted, actual) in
        [("UID", &options.uid, &object.uid), ("ResourceVersion", &options.resource_version, &version)]
    {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != actual) {
            let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {actual}");
            return Err(Status::conflict_because(object.key.resource, &object.key.name, &why));
        }
    }
    Ok(())
}

/// Returns the object with the marks of its deletion.
fn marked(resource: &Resource, mut value: Value, options: &DeleteOptions) -> Value {
    let grace = grace(resource, &value, options);
    mark_finalizers(&mut value, options.propagation);
    let metadata = &mut value["metadata"];
    let pending = metadata["deletionGracePeriodSeconds"].as_i64();
    if metadata["deletionTimestamp"].is_null() || pending.is_some_and(|pending| grace < pending) {
        metadata["deletionTimestamp"] = json!(at(grace).to_string());
        metadata["deletionGracePeriodSeconds"] = json!(grace);
    }
    if resource.kind == "Namespace" {
        value["status"]["phase"] = json!("Terminating");
    }
    value
}

fn at(grace: i64) -> Timestamp {
    this_second().checked_add(SignedDuration::from_secs(grace)).unwrap_or_else(|_| this_second())
}

/// Returns the seconds that an object has to end: only a pod on a node has any.
fn grace(resource: &Resource, value: &Value, options: &DeleteOptions) -> i64 {
    let ended = matches!(text(value, "/status/phase"), "Succeeded" | "Failed");
    if resource.kind != "Pod" || text(value, "/spec/nodeName").is_empty() || ended {
        return 0;
    }
    let own = value["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(POD_GRACE_SECONDS);
    options.grace_seconds.unwrap_or(own).max(0)
}

fn mark_finalizers(value: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let wanted = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    let metadata = value["metadata"].as_object_mut().expect("stored objects have metadata");
    let given = metadata.remove("finalizers");
    let mut finalizers = given.and_then(|list| list.as_array().cloned()).unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
    finalizers.extend(wanted.map(|finalizer| json!(finalizer)));
    if !finalizers.is_empty() {
        metadata.insert("finalizers".into(), finalizers.into());
    }
}

fn success(object: &Object) -> Value {
    let mut details = json!({"name": object.key.name, "kind": object.key.resource.plural, "uid": object.uid});
    if !object.key.resource.group.is_empty() {
        details["group"] = json!(object.key.resource.group);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::resource::of;

    fn options(text: &str) -> DeleteOptions {
        DeleteOptions::parse(&Value::Null, &Query::parse(Some(text))).unwrap()
    }

    #[test]
    fn a_pod_on_a_node_gets_its_grace_period_and_it_can_only_shrink() {
        let pod = json!({"metadata": {}, "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 9}});
        let first = marked(of("Pod"), pod, &options(""));
        assert_eq!(first["metadata"]["deletionGracePeriodSeconds"], 9);
        let longer = marked(of("Pod"), first.clone(), &options("gracePeriodSeconds=20"));
        assert_eq!(longer["metadata"]["deletionGracePeriodSeconds"], 9);
        let forced = marked(of("Pod"), first, &options("gracePeriodSeconds=0"));
        assert!(strategy::is_gone(of("Pod"), &forced));
        assert!(strategy::is_gone(of("Pod"), &marked(of("Pod"), json!({"metadata": {}}), &options(""))));
    }

    #[test]
    fn propagation_is_left_to_the_garbage_collector_as_finalizers() {
        let object = || json!({"metadata": {"finalizers": ["mine", "orphan"]}});
        let finalizers =
            |text: &str| marked(of("Deployment"), object(), &options(text))["metadata"]["finalizers"].clone();
        assert_eq!(finalizers("propagationPolicy=Foreground"), json!(["mine", "foregroundDeletion"]));
        assert_eq!(finalizers("propagationPolicy=Background"), json!(["mine"]));
        assert_eq!(finalizers("propagationPolicy=Orphan"), json!(["mine", "orphan"]));
        assert_eq!(finalizers(""), json!(["mine", "orphan"]));
    }
}
