//! Patches.

use serde_json::Value;

use super::status::Status;
use crate::rehearsal::resource::Resource;

pub fn json_patch(_: &'static Resource, current: &Value, patch: &Value) -> Result<Value, Status> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| Status::bad_request(error.to_string()))?;
    let mut value = current.clone();
    json_patch::patch(&mut value, &patch).map_err(|error| Status::bad_request(error.to_string()))?;
    Ok(value)
}

pub fn merge_patch(_: &'static Resource, current: &Value, patch: &Value) -> Result<Value, Status> {
    let mut value = current.clone();
    json_patch::merge(&mut value, patch);
    Ok(value)
}

pub fn strategic_merge(resource: &'static Resource, current: &Value, patch: &Value) -> Result<Value, Status> {
    merge_patch(resource, current, patch)
}
