//! OpenAPI v3, as far as kubectl needs it to find out that the server validates fields itself.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::reply::{self, Reply};
use crate::rehearsal::{
    object::status::Status,
    resource::{RESOURCES, Resource},
};

/// Changes when the documents do: clients cache them by it.
const HASH: &str = env!("CARGO_PKG_VERSION");

/// Answers `/openapi/v3` or one group-version below it, as `api/v1` or `apis/apps/v1`.
pub(super) fn openapi(group_version: Option<&str>) -> Result<Reply, Status> {
    let Some(wanted) = group_version else {
        let paths: Map<String, Value> = RESOURCES
            .iter()
            .map(root)
            .map(|root| {
                let url = format!("/openapi/v3/{root}?hash={HASH}");
                (root, json!({"serverRelativeURL": url}))
            })
            .collect();
        return Ok(reply::json(StatusCode::OK, &json!({"paths": paths})));
    };
    let members: Vec<&Resource> = RESOURCES.iter().filter(|resource| root(resource) == wanted).collect();
    if members.is_empty() {
        return Err(Status::no_such_path());
    }
    let paths: Map<String, Value> = members.iter().map(|resource| (item_path(resource), item(resource))).collect();
    Ok(reply::json(
        StatusCode::OK,
        &json!({"openapi": "3.0.0", "info": {"title": "Kubernetes (rehearsal)", "version": HASH}, "paths": paths,
            "components": {"schemas": {}}}),
    ))
}

fn root(resource: &Resource) -> String {
    if resource.group.is_empty() { "api/v1".into() } else { format!("apis/{}/{}", resource.group, resource.version) }
}

fn item_path(resource: &Resource) -> String {
    let namespace = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    format!("/{}/{namespace}{}/{{name}}", root(resource), resource.plural)
}

fn item(resource: &Resource) -> Value {
    let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
    let parameter = |name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let operation = |action: &str, parameters: Vec<Value>| {
        json!({"x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind, "parameters": parameters,
            "responses": {"200": {"description": "OK"}}})
    };
    json!({
        "get": operation("get", vec![]),
        "patch": operation("patch", ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter).into()),
    })
}
