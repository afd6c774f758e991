//! Tables.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::rehearsal::resource::Resource;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    Metadata,
    Object,
}

pub fn table(_: &'static Resource, objects: &[Value], _: IncludeObject, _: Timestamp) -> Value {
    let rows: Vec<_> = objects
        .iter()
        .map(|object| json!({"cells": [object["metadata"]["name"], "1s"], "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]}}))
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "rows": rows, "columnDefinitions": [
        {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
        {"name": "Age", "type": "string", "format": "", "description": "", "priority": 0}]})
}
