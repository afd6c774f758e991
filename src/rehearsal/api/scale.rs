//! The scale subresource.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    body, patch,
    reply::{self, Reply},
    update::{Part, Wish, change},
    write::{Write, text},
};
use crate::rehearsal::object::status::{Cause, Status};

/// Answers with the scale of the target.
///
/// # Errors
/// 404 when there is no such object.
pub(super) fn get(write: &Write) -> Result<Reply, Status> {
    Ok(reply::json(StatusCode::OK, &scale(&write.current()?.value())))
}

/// Sets the number of replicas from a `Scale` object.
///
/// # Errors
/// 400, 404, 409 or 422, as the real server.
pub(super) fn update(write: &Write, sent: &Value) -> Result<Reply, Status> {
    set(write, |_| Ok(sent.clone()))
}

/// Patches the `Scale` object of the target.
///
/// # Errors
/// As [`update`], and 415 for unknown kinds of patch.
pub(super) fn patch(write: &Write, headers: &HeaderMap, sent: &Bytes) -> Result<Reply, Status> {
    let method = patch::method(body::media_type(headers))?;
    let sent = body::json(sent)?;
    set(write, |current| method(write.target.resource, current, &sent))
}

fn set(write: &Write, wanted: impl Fn(&Value) -> Result<Value, Status>) -> Result<Reply, Status> {
    let written = change(write, Part::Scale, |current| {
        let mut value = current.value();
        let wanted = wanted(&scale(&value))?;
        let replicas = replicas(&wanted)?;
        value["spec"]["replicas"] = json!(replicas);
        if let Some(version) = wanted["metadata"].get("resourceVersion") {
            value["metadata"]["resourceVersion"] = version.clone();
        }
        Ok(Wish { value, applied: false })
    })?;
    let object = serde_json::from_slice(&written.raw).map_err(Status::internal)?;
    Ok(reply::json(StatusCode::OK, &scale(&object)))
}

fn replicas(scale: &Value) -> Result<i64, Status> {
    let replicas = match &scale["spec"]["replicas"] {
        Value::Null => 0,
        value => value.as_i64().ok_or_else(|| {
            Status::bad_request("Scale in version \"v1\" cannot be handled as a Scale: spec.replicas is not a number")
        })?,
    };
    if replicas < 0 {
        let why = "must be greater than or equal to 0";
        let cause = Cause::invalid("spec.replicas", &replicas.to_string(), why);
        let name = text(scale, "/metadata/name");
        return Err(Status::invalid_kind("Scale", "autoscaling", name, vec![cause]));
    }
    Ok(replicas)
}

fn scale(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let kept = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let metadata: Value = kept.into_iter().map(|field| (field, metadata[field].clone())).collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": object["spec"]["replicas"].as_i64().unwrap_or(1)},
        "status": {
            "replicas": object["status"]["replicas"].as_i64().unwrap_or(0),
            "selector": selector_text(&object["spec"]["selector"]),
        },
    })
}

fn selector_text(selector: &Value) -> String {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let equal = equal.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|expression| {
        let key = text(expression, "/key");
        let values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let values: Vec<_> = values.collect();
        match text(expression, "/operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        }
    });
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}
