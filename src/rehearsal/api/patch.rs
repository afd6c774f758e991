//! Patching objects.

use http::HeaderMap;
use serde_json::Value;

use super::{
    body,
    create::{Ownership, create},
    query::Query,
    update::{Part, Wish, change},
    write::{Write, Written, text},
};
use crate::rehearsal::{
    object::{
        apply::server_side_apply,
        patch,
        status::{Cause, Status},
    },
    resource::Resource,
};

/// The media type of a server-side apply.
pub(super) const APPLY: &str = "application/apply-patch+yaml";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

type PatchFn = fn(&'static Resource, &Value, &Value) -> Result<Value, Status>;

/// Returns how a patch of this media type is applied.
///
/// # Errors
/// 415 for other media types.
pub(super) fn method(media_type: &str) -> Result<PatchFn, Status> {
    match media_type {
        JSON_PATCH => Ok(patch::json_patch),
        MERGE => Ok(patch::merge_patch),
        STRATEGIC => Ok(patch::strategic_merge),
        other => Err(body::unknown_format(other, &[JSON_PATCH, MERGE, STRATEGIC, APPLY].join(", "))),
    }
}

/// Patches the target; server-side apply creates it when it is absent.
///
/// # Errors
/// As the real server: 400, 404, 409, 415 or 422.
pub(super) fn patch(
    write: &Write,
    part: Part,
    headers: &HeaderMap,
    query: &Query,
    sent: &[u8],
) -> Result<Written, Status> {
    if body::media_type(headers) == APPLY {
        return apply(write, part, query, &body::yaml(sent)?);
    }
    let method = method(body::media_type(headers))?;
    let sent = body::json(sent)?;
    change(write, part, |current| {
        let value = method(current.key.resource, &current.value(), &sent)?;
        Ok(Wish { value, applied: false })
    })
}

fn apply(write: &Write, part: Part, query: &Query, applied: &Value) -> Result<Written, Status> {
    let resource = write.target.resource;
    if query.get("fieldManager").is_none() {
        return Err(Status::bad_request(
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ));
    }
    let applied = complete(write, applied)?;
    let force = query.flag("force");
    let subresource = part.subresource().unwrap_or_default();
    if write.current().is_err() && part == Part::Main {
        let value = server_side_apply(resource, "", None, &applied, &write.manager, force, write.now)?;
        match create(write, value, Ownership::Applied) {
            Err(status) if status.reason == "AlreadyExists" => {}
            outcome => return outcome,
        }
    }
    change(write, part, |current| {
        let current = current.value();
        let value =
            server_side_apply(resource, subresource, Some(&current), &applied, &write.manager, force, write.now)?;
        Ok(Wish { value, applied: true })
    })
}

/// Checks what an applied configuration must say and adds what the path says.
fn complete(write: &Write, applied: &Value) -> Result<Value, Status> {
    write.check_kind(applied)?;
    let mut applied = applied.clone();
    if applied["metadata"].is_null() {
        applied["metadata"] = Value::Object(Default::default());
    }
    write.check_place(&mut applied)?;
    let expected = write.target.name.as_deref().unwrap_or_default();
    match text(&applied, "/metadata/name") {
        "" => applied["metadata"]["name"] = expected.into(),
        name if name == expected => {}
        name => {
            return Err(Status::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({expected})"
            )));
        }
    }
    if !applied["metadata"]["managedFields"].as_array().is_none_or(Vec::is_empty) {
        let cause = Cause::forbidden("metadata.managedFields", "must be nil");
        return Err(Status::bad_request(format!("{}: {}", cause.field, cause.message)));
    }
    Ok(applied)
}
