//! Reading objects: one, or a collection.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{
    Api,
    accept::Shape,
    fields::FieldSelector,
    query::Query,
    reply::{self, JSON, Reply, list_document},
    route::Target,
    selector::Selector,
};
use crate::rehearsal::{
    object::{
        status::Status,
        table::{IncludeObject, table},
    },
    resource::Resource,
    store::Object,
};

/// Which objects of a collection a request is about.
#[derive(Debug, Default)]
pub(super) struct Filter {
    labels: Selector,
    fields: FieldSelector,
}

impl Filter {
    /// Reads the label and field selectors of a request.
    ///
    /// # Errors
    /// 400 for selectors that cannot be read.
    pub fn parse(target: &Target, query: &Query) -> Result<Self, Status> {
        Ok(Self {
            labels: Selector::parse(query.get("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse(target.resource, query.get("fieldSelector").unwrap_or_default())?,
        })
    }

    /// Returns whether an object is selected.
    pub fn matches(&self, object: &Object) -> bool {
        self.labels.matches(&object.labels) && self.fields.matches(object)
    }
}

/// Returns the selected objects and the version they are of.
pub(super) fn select(api: &Api, target: &Target, filter: &Filter) -> (Vec<Arc<Object>>, u64) {
    if let (Some(name), Some(namespace)) = (filter.fields.name(), target.namespace.as_deref()) {
        let version = api.store.version();
        let object = api.store.get(target.resource, namespace, name);
        return (object.into_iter().filter(|object| filter.matches(object)).collect(), version);
    }
    let (mut objects, version) = api.store.list(target.resource, target.namespace.as_deref());
    objects.retain(|object| filter.matches(object));
    (objects, version)
}

/// Where the next page of a list begins.
#[derive(Serialize, Deserialize)]
struct Continue {
    version: u64,
    namespace: String,
    name: String,
}

/// The place of a page in a list.
pub(super) struct Rest {
    token: String,
    remaining: usize,
}

/// Answers with a collection.
///
/// # Errors
/// 400 for wrong parameters.
pub(super) fn list(api: &Api, target: &Target, query: &Query, shape: Shape) -> Result<Reply, Status> {
    let filter = Filter::parse(target, query)?;
    let (mut objects, mut version) = select(api, target, &filter);
    if let Some(token) = query.get("continue") {
        let from = read_continue(token)?;
        let place = (from.namespace.as_str(), from.name.as_str());
        objects.retain(|object| (object.key.namespace.as_str(), object.key.name.as_str()) > place);
        // Of the first page, so that a watch from it misses nothing that changed between the pages.
        version = from.version;
    }
    let rest = cut(&mut objects, query.number("limit")?.unwrap_or(0), version);
    let document = match shape {
        Shape::Object => {
            let head = head(target.resource, version, rest.as_ref());
            list_document(&head, objects.iter().map(|object| &object.raw))
        }
        Shape::Metadata => {
            let items: Vec<_> = objects.iter().map(|object| metadata_only(&object.raw)).collect();
            let head = list_head("meta.k8s.io/v1", "PartialObjectMetadataList", version, rest.as_ref());
            list_document(&head, items.iter())
        }
        Shape::Table => {
            let mut table = as_table(target.resource, objects.iter().map(|object| &object.raw), include(query)?);
            table["metadata"] = list_metadata(version, rest.as_ref());
            table.to_string().into()
        }
    };
    Ok(reply::bytes(StatusCode::OK, JSON, document))
}

fn cut(objects: &mut Vec<Arc<Object>>, limit: usize, version: u64) -> Option<Rest> {
    if limit == 0 || objects.len() <= limit {
        return None;
    }
    let remaining = objects.len() - limit;
    objects.truncate(limit);
    let key = &objects.last()?.key;
    let next = Continue { version, namespace: key.namespace.clone(), name: key.name.clone() };
    let token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&next).ok()?);
    Some(Rest { token, remaining })
}

fn read_continue(token: &str) -> Result<Continue, Status> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    decoded
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| Status::bad_request("continue key is not valid: it was not made by this server"))
}

/// Answers with one object in the asked shape.
///
/// # Errors
/// 400 for wrong parameters.
pub(super) fn one(
    code: StatusCode,
    resource: &'static Resource,
    raw: &Bytes,
    query: &Query,
    shape: Shape,
) -> Result<Reply, Status> {
    let document = match shape {
        Shape::Object => raw.clone(),
        Shape::Metadata => metadata_only(raw),
        Shape::Table => {
            let mut table = as_table(resource, std::iter::once(raw), include(query)?);
            table["metadata"] = json!({"resourceVersion": table["rows"][0]["object"]["metadata"]["resourceVersion"]});
            table.to_string().into()
        }
    };
    Ok(reply::bytes(code, JSON, document))
}

/// Reads how much of an object a table's rows hold.
///
/// # Errors
/// 400 for an unknown value.
pub(super) fn include(query: &Query) -> Result<IncludeObject, Status> {
    match query.get("includeObject") {
        None | Some("Metadata") => Ok(IncludeObject::Metadata),
        Some("None") => Ok(IncludeObject::None),
        Some("Object") => Ok(IncludeObject::Object),
        Some(other) => Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}"))),
    }
}

/// Renders stored objects as a table.
pub(super) fn as_table<'a>(
    resource: &'static Resource,
    objects: impl Iterator<Item = &'a Bytes>,
    include: IncludeObject,
) -> Value {
    let values: Vec<Value> = objects.map(|raw| serde_json::from_slice(raw).expect("stored objects are JSON")).collect();
    table(resource, &values, include, Timestamp::now())
}

/// Returns an object's `PartialObjectMetadata`.
pub(super) fn metadata_only(raw: &[u8]) -> Bytes {
    #[derive(Deserialize)]
    struct Partial<'a> {
        #[serde(borrow)]
        metadata: &'a RawValue,
    }
    let partial: Partial = serde_json::from_slice(raw).expect("stored objects have metadata");
    format!(
        "{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{}}}",
        partial.metadata.get()
    )
    .into()
}

/// Returns the beginning of a list document of stored objects.
pub(super) fn head(resource: &Resource, version: u64, rest: Option<&Rest>) -> String {
    list_head(&resource.api_version(), &format!("{}List", resource.kind), version, rest)
}

fn list_head(api_version: &str, kind: &str, version: u64, rest: Option<&Rest>) -> String {
    let metadata = list_metadata(version, rest);
    format!("{{\"kind\":{},\"apiVersion\":{},\"metadata\":{metadata}", json!(kind), json!(api_version))
}

fn list_metadata(version: u64, rest: Option<&Rest>) -> Value {
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if let Some(rest) = rest {
        metadata["continue"] = json!(rest.token);
        metadata["remainingItemCount"] = json!(rest.remaining);
    }
    metadata
}
