//! Replacing objects, whole or a part.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    strategy,
    write::{Write, Written, encode, is_empty, text},
};
use crate::rehearsal::{
    object::{
        apply, decode, defaults,
        status::{Cause, Status},
        validate,
    },
    resource::Resource,
    store::{Object, Stale},
};

/// How often a write without a resource version is tried against somebody faster.
const ATTEMPTS: usize = 16;

/// Which part of an object a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All but the status.
    Main,
    Status,
    /// `spec.replicas`, through the scale subresource.
    Scale,
    /// A namespace's `spec.finalizers`.
    Finalize,
}

impl Part {
    /// Returns the subresource that this part is written through.
    pub fn subresource(self) -> Option<&'static str> {
        match self {
            Self::Main => None,
            Self::Status => Some("status"),
            Self::Scale => Some("scale"),
            Self::Finalize => Some("finalize"),
        }
    }
}

/// A wish for an object's next state.
pub(super) struct Wish {
    pub value: Value,
    /// Server-side apply has written `managedFields` itself.
    pub applied: bool,
}

/// Replaces the target by a value.
///
/// # Errors
/// 400, 404, 409 or 422, as the real server.
pub(super) fn update(write: &Write, value: Value, part: Part) -> Result<Written, Status> {
    write.check_kind(&value)?;
    let name = text(&value, "/metadata/name");
    let expected = write.target.name.as_deref().unwrap_or_default();
    if name != expected {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({expected})"
        )));
    }
    change(write, part, |_| Ok(Wish { value: value.clone(), applied: false }))
}

/// Changes the target from whatever it is now to what `wish` makes of it. It is called again when somebody else was
/// faster, unless the wish names a resource version.
///
/// # Errors
/// 404 when there is no such object, 409 when it changed, 400 or 422 when the wish is refused.
pub(super) fn change(
    write: &Write,
    part: Part,
    mut wish: impl FnMut(&Object) -> Result<Wish, Status>,
) -> Result<Written, Status> {
    for _ in 0..ATTEMPTS {
        let current = write.current()?;
        let before = current.value();
        let wished = wish(&current)?;
        let mut allocation = write.api.services.lock(&write.api.store, current.key.resource);
        let (mut after, warnings) = settle(write, part, &before, wished)?;
        allocation.allocate(&mut after, Some(&before))?;
        if write.dry_run {
            return Ok(Written { raw: encode(&after), created: false, warnings });
        }
        if let Ok(object) = commit(write, &current, after) {
            return Ok(Written { raw: object.raw.clone(), created: false, warnings });
        }
    }
    Err(Status::conflict(write.target.resource, write.target.name.as_deref().unwrap_or_default()))
}

fn commit(write: &Write, current: &Object, after: Value) -> Result<Arc<Object>, Stale> {
    if strategy::is_gone(current.key.resource, &after) {
        write.api.store.remove(current)
    } else {
        write.api.store.replace(current, after)
    }
}

/// Makes the next state: what the server owns stays, what the part does not cover stays, and the rest is checked.
fn settle(write: &Write, part: Part, before: &Value, wish: Wish) -> Result<(Value, Vec<String>), Status> {
    let resource = write.target.resource;
    let mut after = wish.value;
    write.check_kind(&after)?;
    if after["metadata"].is_null() {
        after["metadata"] = json!({});
    }
    write.check_place(&mut after)?;
    if !after["spec"].is_null() && !after["spec"].is_object() {
        return Err(Status::bad_request("spec: Invalid value: must be an object"));
    }
    check_identity(resource, before, &after)?;
    if part != Part::Main {
        after = only_part(part, before, after);
    } else if resource.status {
        restore(&mut after, before, "status");
    }
    keep_server_metadata(&mut after, before);
    check_finalizers(resource, before, &after)?;
    strategy::before_update(resource, part, before, &mut after);
    defaults::apply(resource, &mut after);
    let warnings = validate::validate(resource, &after, write.strictness)?;
    decode::normalize(&(resource.inspect)(&after), &mut after);
    if part == Part::Main {
        validate::update_allowed(resource, before, &after)?;
    }
    if !wish.applied {
        apply::track(resource, Some(before), &mut after, &write.manager, "Update", part.subresource(), write.now);
    }
    Ok((after, warnings))
}

fn check_identity(resource: &Resource, before: &Value, after: &Value) -> Result<(), Status> {
    let (name, wanted) = (text(before, "/metadata/name"), text(after, "/metadata/name"));
    if name != wanted {
        return Err(Status::bad_request(format!(
            "the name of the object ({wanted}) does not match the name on the URL ({name})"
        )));
    }
    let (uid, wanted) = (text(before, "/metadata/uid"), text(after, "/metadata/uid"));
    if !wanted.is_empty() && wanted != uid {
        let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}");
        return Err(Status::conflict_because(resource, name, &why));
    }
    let wanted = text(after, "/metadata/resourceVersion");
    if !wanted.is_empty() && wanted != text(before, "/metadata/resourceVersion") {
        return Err(Status::conflict(resource, name));
    }
    Ok(())
}

fn only_part(part: Part, before: &Value, mut wanted: Value) -> Value {
    let mut after = before.clone();
    match part {
        Part::Main => return wanted,
        Part::Status => restore(&mut after, &wanted, "status"),
        Part::Scale => after["spec"]["replicas"] = wanted["spec"]["replicas"].take(),
        Part::Finalize => after["spec"]["finalizers"] = wanted["spec"]["finalizers"].take(),
    }
    if !is_empty(&wanted["metadata"]["managedFields"]) {
        after["metadata"]["managedFields"] = wanted["metadata"]["managedFields"].take();
    }
    after
}

/// Makes a top-level field what it is in another object, or absent when it is absent there.
fn restore(value: &mut Value, from: &Value, field: &str) {
    let object = value.as_object_mut().expect("an object of a kind is an object");
    match from.get(field) {
        Some(content) => object.insert(field.to_owned(), content.clone()),
        None => object.remove(field),
    };
}

fn keep_server_metadata(after: &mut Value, before: &Value) {
    const OWNED: [&str; 7] = [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
        "resourceVersion",
    ];
    for field in OWNED {
        restore(&mut after["metadata"], &before["metadata"], field);
    }
    if after["metadata"].get("managedFields").is_none_or(is_empty) {
        restore(&mut after["metadata"], &before["metadata"], "managedFields");
    }
}

fn check_finalizers(resource: &Resource, before: &Value, after: &Value) -> Result<(), Status> {
    if before["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let known = before["metadata"]["finalizers"].as_array();
    let wanted = after["metadata"]["finalizers"].as_array().into_iter().flatten();
    let new: Vec<_> = wanted.filter(|finalizer| known.is_none_or(|known| !known.contains(finalizer))).collect();
    if new.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = new.iter().map(std::string::ToString::to_string).collect();
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        names.join(", ")
    );
    let name = text(before, "/metadata/name");
    Err(Status::invalid(resource, name, vec![Cause::forbidden("metadata.finalizers", &why)]))
}
