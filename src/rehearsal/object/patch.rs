//! JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386).

use json_patch::{Patch, PatchErrorKind};
use serde_json::Value;

use super::status::Status;
use crate::rehearsal::resource::Resource;

pub use super::strategic::strategic_merge;

/// How many operations a JSON patch may have, as in the real server.
const MAX_OPERATIONS: usize = 10_000;

/// Returns `current` after the operations of `patch`, all of them or none.
///
/// # Errors
/// 400 when `patch` is not a list of operations, 422 when one of them cannot be done.
pub fn json_patch(_: &'static Resource, current: &Value, patch: &Value) -> Result<Value, Status> {
    let operations: Patch = serde_json::from_value(patch.clone())
        .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    if operations.0.len() > MAX_OPERATIONS {
        let why =
            format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}", operations.0.len());
        return Err(Status::too_large_patch(&why));
    }
    let mut patched = current.clone();
    json_patch::patch(&mut patched, &operations).map_err(|error| {
        let path = error.path.to_string();
        Status::unprocessable(match error.kind {
            PatchErrorKind::TestFailed => format!("testing value {path} failed: test failed"),
            PatchErrorKind::InvalidPointer | PatchErrorKind::InvalidFromPointer => {
                format!(
                    "{} operation does not apply: doc is missing path: {path:?}: missing value",
                    verb(patch, error.operation)
                )
            }
            kind => format!("operation does not apply: {path}: {kind}"),
        })
    })?;
    Ok(patched)
}

fn verb(patch: &Value, operation: usize) -> &str {
    patch.get(operation).and_then(|operation| operation.get("op")).and_then(Value::as_str).unwrap_or("the")
}

/// Returns `current` with `patch` merged in: maps are merged, null removes, all else replaces.
///
/// # Errors
/// 400 when `patch` is not a map.
pub fn merge_patch(_: &'static Resource, current: &Value, patch: &Value) -> Result<Value, Status> {
    if !patch.is_object() {
        return Err(Status::bad_request("error decoding patch: a merge patch of an object is a map"));
    }
    let mut patched = current.clone();
    json_patch::merge(&mut patched, patch);
    Ok(patched)
}

impl Status {
    fn unprocessable(message: String) -> Self {
        Self {
            code: 422,
            reason: "Invalid",
            message: format!("the server rejected our request due to an error in our request: {message}"),
            details: Value::Null,
        }
    }

    fn too_large_patch(message: &str) -> Self {
        Self { code: 413, reason: "RequestEntityTooLarge", message: message.into(), details: Value::Null }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::resource::of;
    use serde_json::json;

    #[test]
    fn operations_are_done_in_order() {
        let patch = json!([
            {"op": "test", "path": "/a", "value": 1},
            {"op": "add", "path": "/list/-", "value": "z"},
            {"op": "remove", "path": "/a"},
            {"op": "replace", "path": "/b~1c", "value": null},
        ]);
        let patched = json_patch(of("Pod"), &json!({"a": 1, "list": ["y"], "b/c": 2}), &patch).unwrap();
        assert_eq!(patched, json!({"list": ["y", "z"], "b/c": null}));
    }

    #[test]
    fn an_impossible_operation_says_which() {
        let missing = json_patch(of("Pod"), &json!({}), &json!([{"op": "remove", "path": "/spec/x"}])).unwrap_err();
        assert_eq!(missing.code, 422);
        assert!(
            missing.message.contains("remove operation does not apply: doc is missing path: \"/spec/x\""),
            "{missing}"
        );
        assert_eq!(json_patch(of("Pod"), &json!({}), &json!({"op": "add"})).unwrap_err().code, 400);
        assert_eq!(
            json_patch(of("Pod"), &json!({"a": 1}), &json!([{"op": "test", "path": "/a", "value": 2}]))
                .unwrap_err()
                .code,
            422
        );
    }

    #[test]
    fn a_merge_patch_merges_maps_and_removes_by_null() {
        let patched =
            merge_patch(of("Pod"), &json!({"a": {"b": 1, "c": 2}, "l": [1]}), &json!({"a": {"b": null}, "l": [2]}))
                .unwrap();
        assert_eq!(patched, json!({"a": {"c": 2}, "l": [2]}));
        assert_eq!(merge_patch(of("Pod"), &json!({}), &json!([])).unwrap_err().code, 400);
    }
}
