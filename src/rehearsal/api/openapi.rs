//! OpenAPI documents: the schemas that `kubectl explain` prints, and the paths that tell `kubectl apply` that the server
//! validates fields itself.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::reply::{self, JSON, Reply};
use crate::rehearsal::{
    object::status::Status,
    resource::{RESOURCES, Resource},
};

/// Changes when the documents do: clients keep them by it.
const HASH: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");

/// The documents that were asked for already, encoded: to make one takes some milliseconds.
#[derive(Default)]
pub(super) struct Documents(Mutex<HashMap<String, Bytes>>);

impl Documents {
    /// Answers `/openapi/v3` or one group-version below it, as `api/v1` or `apis/apps/v1`.
    pub(super) fn answer(&self, group_version: Option<&str>) -> Result<Reply, Status> {
        let Some(wanted) = group_version else { return Ok(reply::json(StatusCode::OK, &index())) };
        let members: Vec<&Resource> = RESOURCES.iter().filter(|resource| root(resource) == wanted).collect();
        if members.is_empty() {
            return Err(Status::no_such_path());
        }
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let document = made.entry(wanted.to_owned()).or_insert_with(|| document(&members).to_string().into());
        let mut reply = reply::bytes(StatusCode::OK, JSON, document.clone());
        // The address carries the hash, so what is there never changes.
        reply
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        Ok(reply)
    }
}

/// Answers `/openapi/v2` with an empty document: kubectl asks for it about kinds that version 3 does not know.
pub(super) fn empty_v2() -> Reply {
    reply::bytes(StatusCode::OK, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", Bytes::new())
}

/// Answers the list of CustomResourceDefinitions, of which a rehearsal has none: kubectl looks there before it says that
/// a kind is unknown.
pub(super) fn no_custom_resources() -> Reply {
    let list = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinitionList",
        "metadata": {"resourceVersion": "1"}, "items": []});
    reply::json(StatusCode::OK, &list)
}

fn index() -> Value {
    let entry = |root: String| {
        let url = format!("/openapi/v3/{root}?hash={HASH}");
        (root, json!({"serverRelativeURL": url}))
    };
    let paths: Map<String, Value> = RESOURCES.iter().map(root).map(entry).collect();
    json!({"paths": paths})
}

fn document(members: &[&Resource]) -> Value {
    let paths: Map<String, Value> = members.iter().map(|resource| (item_path(resource), item(resource))).collect();
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes (rehearsal)", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": schemas(members)},
    })
}

/// Returns the schemas of the resources and of all types in them, by name.
fn schemas(members: &[&Resource]) -> Map<String, Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let references: Vec<_> = members.iter().map(|resource| (resource.schema)(&mut generator)).collect();
    let mut schemas = generator.take_definitions(true);
    for (resource, reference) in members.iter().zip(references) {
        let name = reference.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        if let Some(schema) = name.and_then(|name| schemas.get_mut(name)) {
            schema["x-kubernetes-group-version-kind"] = json!([kind(resource)]);
        }
    }
    schemas
}

fn kind(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

fn root(resource: &Resource) -> String {
    if resource.group.is_empty() { "api/v1".into() } else { format!("apis/{}/{}", resource.group, resource.version) }
}

fn item_path(resource: &Resource) -> String {
    let namespace = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    format!("/{}/{namespace}{}/{{name}}", root(resource), resource.plural)
}

fn item(resource: &Resource) -> Value {
    let parameter = |name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let operation = |action: &str, parameters: Vec<Value>| {
        json!({"x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind(resource),
            "parameters": parameters, "responses": {"200": {"description": "OK"}}})
    };
    json!({
        "get": operation("get", vec![]),
        "patch": operation("patch", ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::resource::of;

    #[test]
    fn every_reference_leads_to_a_schema() {
        fn check(value: &Value, schemas: &Map<String, Value>) {
            if let Some(path) = value.get("$ref").and_then(Value::as_str) {
                let name = path.strip_prefix("#/components/schemas/").expect("references stay in the document");
                assert!(schemas.contains_key(name), "{path}");
            }
            match value {
                Value::Object(map) => map.values().for_each(|value| check(value, schemas)),
                Value::Array(list) => list.iter().for_each(|value| check(value, schemas)),
                _ => {}
            }
        }
        let schemas = schemas(&RESOURCES.iter().collect::<Vec<_>>());
        schemas.values().for_each(|schema| check(schema, &schemas));
        let kinds = schemas.values().filter(|schema| schema.get("x-kubernetes-group-version-kind").is_some());
        assert_eq!(kinds.count(), RESOURCES.len());
    }

    #[test]
    fn a_field_is_described() {
        let schemas = schemas(&[of("Deployment")]);
        let replicas = &schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["replicas"];
        assert_eq!(replicas["type"], "integer");
        assert!(replicas["description"].as_str().unwrap().starts_with("Number of desired pods."));
    }
}
