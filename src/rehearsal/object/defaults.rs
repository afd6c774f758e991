//! Defaults.

use serde_json::Value;

use crate::rehearsal::resource::Resource;

pub fn apply(_: &'static Resource, _: &mut Value) {}
