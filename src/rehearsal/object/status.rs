//! `metav1.Status`: how the API says no, in the real server's words.

use serde_json::{Map, Value, json};

use crate::rehearsal::resource::Resource;

/// One reason among several why an object was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Path of the field, as `spec.ports[0].nodePort`.
    pub field: String,
    /// The type of the cause, as `FieldValueInvalid`.
    pub reason: &'static str,
    /// What is wrong, without the field's path, as `Required value`.
    pub message: String,
}

impl Cause {
    /// Makes a cause with any reason.
    pub fn new(field: impl Into<String>, reason: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), reason, message: message.into() }
    }

    /// A field that must be set; `why` may be empty.
    pub fn required(field: impl Into<String>, why: &str) -> Self {
        Self::new(field, "FieldValueRequired", with_detail("Required value".into(), why))
    }

    /// A field whose value, written as Go would print it, is not allowed.
    pub fn invalid(field: impl Into<String>, value: &str, why: &str) -> Self {
        Self::new(field, "FieldValueInvalid", with_detail(format!("Invalid value: {value}"), why))
    }

    /// A field that must not be set or changed.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self::new(field, "FieldValueForbidden", with_detail("Forbidden".into(), why))
    }

    fn line(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }

    fn value(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }
}

fn with_detail(text: String, detail: &str) -> String {
    if detail.is_empty() { text } else { format!("{text}: {detail}") }
}

/// A refusal: an HTTP code, a machine-readable reason, a sentence and details.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    /// `details` of the status; `null` when there are none.
    pub details: Value,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    fn about(mut self, resource: &Resource, name: &str) -> Self {
        self.details = details(resource.group, resource.plural, name);
        self
    }

    /// Adds causes to the details.
    pub fn with_causes(mut self, causes: &[Cause]) -> Self {
        if self.details.is_null() {
            self.details = Value::Object(Map::new());
        }
        self.details["causes"] = causes.iter().map(Cause::value).collect();
        self
    }

    /// Tells the client to try again after this many seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        if self.details.is_null() {
            self.details = Value::Object(Map::new());
        }
        self.details["retryAfterSeconds"] = json!(seconds);
        self
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401: no token, or a wrong one.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403: understood and refused.
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    /// 404: there is no such object.
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).about(resource, name)
    }

    /// 404: there is no such path.
    pub fn no_such_path() -> Self {
        let mut status = Self::new(404, "NotFound", "the server could not find the requested resource");
        // Some clients, such as `kubectl debug`, rely on details being there.
        status.details = Value::Object(Map::new());
        status
    }

    /// 405: the path is there, but not for this verb.
    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// 409: an object of that name is there.
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).about(resource, name)
    }

    /// 409: the object was changed since it was read.
    pub fn conflict(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict_because(resource, name, why)
    }

    /// 409: the object is not as the request presumes.
    pub fn conflict_because(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Self::new(409, "Conflict", message).about(resource, name)
    }

    /// 409: server-side apply would take fields from other managers.
    pub fn apply_conflict(message: impl Into<String>, causes: &[Cause]) -> Self {
        Self::new(409, "Conflict", message).with_causes(causes)
    }

    /// 410: the asked resource version is no longer known.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 413: the body is longer than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"))
    }

    /// 415: the body's media type is not understood.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 422: the object breaks rules of its kind.
    pub fn invalid(resource: &Resource, name: &str, causes: Vec<Cause>) -> Self {
        Self::invalid_kind(resource.kind, resource.group, name, causes)
    }

    /// 422 for a kind that is not stored, as `Scale`.
    pub fn invalid_kind(kind: &str, group: &str, name: &str, causes: Vec<Cause>) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let lines: Vec<_> = causes.iter().map(Cause::line).collect();
        let why = if let [line] = &lines[..] { line.clone() } else { format!("[{}]", lines.join(", ")) };
        let mut status = Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {why}"));
        status.details = details(group, kind, name);
        status.with_causes(&causes)
    }

    /// 429: refused for now.
    pub fn too_many_requests(message: impl Into<String>) -> Self {
        Self::new(429, "TooManyRequests", message)
    }

    /// 500: a bug.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
    }

    /// 501: a real cluster does this, this one cannot.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, "NotImplemented", message)
    }

    /// 503: not serving at the moment.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// Returns the HTTP code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns the `v1` Status object.
    pub fn to_value(&self) -> Value {
        let mut value = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            value["details"] = self.details.clone();
        }
        value
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let parts = [("name", name), ("group", group), ("kind", kind)];
    parts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, json!(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::resource::of;

    #[test]
    fn refusals_read_as_those_of_the_real_server() {
        assert_eq!(Status::not_found(of("Deployment"), "web").message, "deployments.apps \"web\" not found");
        let causes = vec![Cause::required("spec.selector", "")];
        let status = Status::invalid(of("Deployment"), "web", causes.clone());
        assert_eq!(status.message, "Deployment.apps \"web\" is invalid: spec.selector: Required value");
        let two = Status::invalid(of("Pod"), "web", [causes, vec![Cause::invalid("spec.x", "\"y\"", "no")]].concat());
        let text = "Pod \"web\" is invalid: [spec.selector: Required value, spec.x: Invalid value: \"y\": no]";
        assert_eq!(two.message, text);
        assert_eq!(two.to_value()["details"]["causes"][1]["reason"], "FieldValueInvalid");
    }
}
