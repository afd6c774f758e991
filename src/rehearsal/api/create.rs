//! Creating objects.

use serde_json::{Value, json};

use super::{
    Api, strategy,
    write::{Write, Written, encode, text},
};
use crate::rehearsal::{
    admission,
    object::{
        apply, decode, defaults,
        status::{Cause, Status},
        validate,
    },
    resource::{Resource, of},
};

/// How many names are tried for `generateName`, as the real server does.
const NAME_ATTEMPTS: usize = 8;
const NAME_LENGTH: usize = 63;

/// How the fields of a new object come to belong to somebody.
pub(super) enum Ownership {
    /// All that was sent belongs to the sender.
    Update,
    /// `managedFields` is made already.
    Applied,
}

/// Creates an object.
///
/// # Errors
/// 400, 403, 404, 409 or 422, as the real server.
pub(super) fn create(write: &Write, mut value: Value, ownership: Ownership) -> Result<Written, Status> {
    write.check_kind(&value)?;
    if value["metadata"].is_null() {
        value["metadata"] = json!({});
    }
    write.check_place(&mut value)?;
    let resource = write.target.resource;
    if !text(&value, "/metadata/resourceVersion").is_empty() {
        return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let prefix = name_prefix(resource, &value)?;
    check_namespace(write.api, resource, &value, prefix.as_deref())?;
    for _ in 1..NAME_ATTEMPTS {
        match create_named(write, value.clone(), prefix.as_deref(), &ownership) {
            Err(status) if prefix.is_some() && status.reason == "AlreadyExists" => {}
            outcome => return outcome,
        }
    }
    create_named(write, value, prefix.as_deref(), &ownership)
}

fn create_named(
    write: &Write,
    mut value: Value,
    prefix: Option<&str>,
    ownership: &Ownership,
) -> Result<Written, Status> {
    let resource = write.target.resource;
    if let Some(prefix) = prefix {
        value["metadata"]["name"] = json!(generated(prefix));
    }
    reset_metadata(&mut value);
    if resource.kind == "Pod" {
        admission::admit(&write.api.store, &mut value)?;
    }
    strategy::before_create(&write.api.store, resource, &mut value);
    defaults::apply(resource, &mut value);
    let warnings = validate::validate(resource, &value, write.strictness)?;
    decode::normalize(&(resource.inspect)(&value), &mut value);
    let mut allocation = write.api.services.lock(&write.api.store, resource);
    allocation.allocate(&mut value, None)?;
    if let Ownership::Update = ownership {
        apply::track(resource, None, &mut value, &write.manager, "Update", None, write.now);
    }
    let name = text(&value, "/metadata/name").to_owned();
    if write.dry_run {
        let namespace = text(&value, "/metadata/namespace");
        if write.api.store.get(resource, namespace, &name).is_some() {
            return Err(Status::already_exists(resource, &name));
        }
        value["metadata"]["creationTimestamp"] = json!(write.now.to_string());
        return Ok(Written { raw: encode(&value), created: true, warnings });
    }
    let object = write.api.store.create(resource, value).map_err(|_| Status::already_exists(resource, &name))?;
    Ok(Written { raw: object.raw.clone(), created: true, warnings })
}

/// Returns the prefix to generate a name from, or `None` when the object has a name.
fn name_prefix(resource: &Resource, value: &Value) -> Result<Option<String>, Status> {
    if !text(value, "/metadata/name").is_empty() {
        return Ok(None);
    }
    match text(value, "/metadata/generateName") {
        "" => {
            let cause = Cause::required("metadata.name", "name or generateName is required");
            Err(Status::invalid(resource, "", vec![cause]))
        }
        prefix => Ok(Some(prefix.to_owned())),
    }
}

fn generated(prefix: &str) -> String {
    let suffix = admission::random_suffix();
    let prefix: String = prefix.chars().take(NAME_LENGTH - suffix.len()).collect();
    prefix + &suffix
}

fn check_namespace(api: &Api, resource: &Resource, value: &Value, prefix: Option<&str>) -> Result<(), Status> {
    if !resource.namespaced {
        return Ok(());
    }
    let namespace = text(value, "/metadata/namespace");
    let found = api.store.get(of("Namespace"), "", namespace);
    let found = found.ok_or_else(|| Status::not_found(of("Namespace"), namespace))?;
    if !found.deleting {
        return Ok(());
    }
    let name = prefix.unwrap_or_else(|| text(value, "/metadata/name"));
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let cause =
        Cause::new("metadata.namespace", "NamespaceTerminating", format!("namespace {namespace} is being terminated"));
    Err(Status::forbidden(resource, name, &why).with_causes(&[cause]))
}

fn reset_metadata(value: &mut Value) {
    let metadata = value["metadata"].as_object_mut().expect("checked by the caller");
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink", "creationTimestamp"] {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), json!(uuid::Uuid::new_v4().to_string()));
}
