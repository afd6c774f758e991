//! Validation.

use serde_json::Value;

use super::status::Status;
use crate::rehearsal::resource::Resource;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    Strict,
    Warn,
    Ignore,
}

pub fn validate(_: &'static Resource, _: &Value, _: Strictness) -> Result<Vec<String>, Status> {
    Ok(Vec::new())
}

pub fn update_allowed(_: &'static Resource, _: &Value, _: &Value) -> Result<(), Status> {
    Ok(())
}
