//! Field ownership.

use jiff::Timestamp;
use serde_json::Value;

use super::status::Status;
use crate::rehearsal::resource::Resource;

pub fn server_side_apply(
    _: &'static Resource,
    current: Option<&Value>,
    applied: &Value,
    _manager: &str,
    _force: bool,
    _now: Timestamp,
) -> Result<Value, Status> {
    let mut value = current.unwrap_or(applied).clone();
    json_patch::merge(&mut value, applied);
    Ok(value)
}

pub fn track(
    _: &'static Resource,
    _before: Option<&Value>,
    _after: &mut Value,
    _manager: &str,
    _operation: &str,
    _subresource: Option<&str>,
    _now: Timestamp,
) {
}
