//! What all writes have in common.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Api, query::Query, route::Target};
use crate::rehearsal::{
    clock::this_second,
    object::{status::Status, validate::Strictness},
    store::Object,
};

/// A write as asked for: to what, by whom, and how strictly.
pub(super) struct Write<'a> {
    pub api: &'a Api,
    pub target: &'a Target,
    /// The field manager.
    pub manager: String,
    pub dry_run: bool,
    pub strictness: Strictness,
    pub now: Timestamp,
}

/// The outcome of a write.
pub(super) struct Written {
    pub raw: Bytes,
    pub created: bool,
    pub warnings: Vec<String>,
}

impl<'a> Write<'a> {
    /// Reads the parameters of a write.
    ///
    /// # Errors
    /// 400 for parameters with unknown values.
    pub fn new(api: &'a Api, target: &'a Target, query: &Query, headers: &HeaderMap) -> Result<Self, Status> {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let agent = agent.split('/').next().filter(|agent| !agent.is_empty()).unwrap_or("unknown");
        Ok(Self {
            api,
            target,
            manager: query.get("fieldManager").unwrap_or(agent).to_owned(),
            dry_run: query.dry_run()?,
            strictness: query.strictness()?,
            now: this_second(),
        })
    }

    /// Returns the object that the target names.
    ///
    /// # Errors
    /// 404 when there is none.
    pub fn current(&self) -> Result<Arc<Object>, Status> {
        existing(self.api, self.target)
    }

    /// Refuses a body that is not of the target's kind.
    pub fn check_kind(&self, value: &Value) -> Result<(), Status> {
        let resource = self.target.resource;
        let (version, kind) = (text(value, "/apiVersion"), text(value, "/kind"));
        if !value.is_object() || kind.is_empty() {
            return Err(Status::bad_request("Object 'Kind' is missing in the request's body"));
        }
        if version.is_empty() {
            return Err(Status::bad_request("Object 'apiVersion' is missing in the request's body"));
        }
        if !value["metadata"].is_null() && !value["metadata"].is_object() {
            return Err(Status::bad_request("metadata: Invalid value: must be an object"));
        }
        let expected = resource.api_version();
        if version != expected {
            return Err(Status::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version ({expected})"
            )));
        }
        if kind != resource.kind {
            return Err(Status::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): it is a {kind}",
                resource.kind
            )));
        }
        Ok(())
    }

    /// Puts the object where the path says, refusing one that says otherwise.
    pub fn check_place(&self, value: &mut Value) -> Result<(), Status> {
        let metadata = value["metadata"].as_object_mut().expect("check_kind and a default make it an object");
        let Some(namespace) = &self.target.namespace else {
            metadata.remove("namespace");
            return Ok(());
        };
        let given = metadata.entry("namespace").or_insert_with(|| json!(namespace));
        if given.as_str().is_none_or(str::is_empty) {
            *given = json!(namespace);
        }
        if given != namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        Ok(())
    }
}

/// Returns the object that a target names.
///
/// # Errors
/// 404 when there is none.
pub(super) fn existing(api: &Api, target: &Target) -> Result<Arc<Object>, Status> {
    let name = target.name.as_deref().unwrap_or_default();
    let object = api.store.get(target.resource, target.space(), name);
    object.ok_or_else(|| Status::not_found(target.resource, name))
}

/// Returns the text at a pointer, or nothing.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns whether a list is absent or has no entries.
pub(super) fn is_empty(value: &Value) -> bool {
    value.as_array().is_none_or(Vec::is_empty)
}

/// Encodes an object that is not stored.
pub(super) fn encode(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("a JSON tree can be encoded").into()
}
