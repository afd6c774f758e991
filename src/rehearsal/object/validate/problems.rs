//! Collecting what is wrong with an object, field by field.

use serde_json::Value;

use crate::rehearsal::object::status::{Cause, Status};
use crate::rehearsal::resource::Resource;

/// What is wrong with an object, in the order it was found.
#[derive(Debug, Default)]
pub struct Problems {
    causes: Vec<Cause>,
}

impl Problems {
    pub fn required(&mut self, path: impl Into<String>, why: &str) {
        self.causes.push(Cause::required(path, why));
    }

    /// A value, written as JSON, that is not allowed.
    pub fn invalid(&mut self, path: impl Into<String>, value: &Value, why: &str) {
        self.invalid_as(path, &value.to_string(), why);
    }

    /// A value, written as the real server prints it, that is not allowed.
    pub fn invalid_as(&mut self, path: impl Into<String>, value: &str, why: &str) {
        self.causes.push(Cause::invalid(path, value, why));
    }

    pub fn forbidden(&mut self, path: impl Into<String>, why: &str) {
        self.causes.push(Cause::forbidden(path, why));
    }

    pub fn duplicate(&mut self, path: impl Into<String>, value: &Value) {
        self.causes.push(Cause::new(path, "FieldValueDuplicate", format!("Duplicate value: {value}")));
    }

    pub fn not_found(&mut self, path: impl Into<String>, value: &str) {
        self.causes.push(Cause::new(path, "FieldValueNotFound", format!("Not found: {value:?}")));
    }

    pub fn too_long(&mut self, path: impl Into<String>, bytes: usize) {
        let message = format!("Too long: may not be more than {bytes} bytes");
        self.causes.push(Cause::new(path, "FieldValueTooLong", message));
    }

    /// A text that is none of the supported ones.
    pub fn unsupported(&mut self, path: impl Into<String>, value: &str, supported: &[&str]) {
        let supported: Vec<_> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message = format!("Unsupported value: {value:?}: supported values: {}", supported.join(", "));
        self.causes.push(Cause::new(path, "FieldValueNotSupported", message));
    }

    /// Checks that a text, if it is there, is one of the supported ones.
    pub fn one_of(&mut self, path: impl Into<String>, value: &str, supported: &[&str]) {
        if !value.is_empty() && !supported.contains(&value) {
            self.unsupported(path, value, supported);
        }
    }

    /// Checks that a number, if it is there, is not below zero.
    pub fn not_negative(&mut self, path: impl Into<String>, value: Option<i64>) {
        if let Some(value) = value.filter(|value| *value < 0) {
            self.invalid(path, &value.into(), "must be greater than or equal to 0");
        }
    }

    /// Checks a value with the rules of a syntax: each broken one is a problem.
    pub fn syntax(&mut self, path: &str, value: &str, broken: impl IntoIterator<Item = String>) {
        for why in broken {
            self.invalid(path, &value.into(), &why);
        }
    }

    /// Returns the refusal, if anything was wrong.
    pub fn into_result(self, resource: &Resource, name: &str) -> Result<(), Status> {
        if self.causes.is_empty() {
            return Ok(());
        }
        let mut causes: Vec<Cause> = Vec::with_capacity(self.causes.len());
        for cause in self.causes {
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        Err(Status::invalid(resource, name, causes))
    }
}

/// Writes a map of texts as Go does: `map[string]string{"a":"b"}`.
pub fn go_map(map: Option<&Value>) -> String {
    match map.and_then(Value::as_object) {
        None => "map[string]string(nil)".into(),
        Some(map) => {
            let entries: Vec<_> = map.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
            format!("map[string]string{{{}}}", entries.join(", "))
        }
    }
}

/// Writes a label selector as Go does.
pub fn go_selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector.filter(|selector| !selector.is_null()) else { return "null".into() };
    let rules = match selector.get("matchExpressions").and_then(Value::as_array) {
        None => "[]v1.LabelSelectorRequirement(nil)".into(),
        Some(rules) => {
            format!("[]v1.LabelSelectorRequirement{{{}}}", rules.iter().map(go_rule).collect::<Vec<_>>().join(", "))
        }
    };
    format!("v1.LabelSelector{{MatchLabels:{}, MatchExpressions:{rules}}}", go_map(selector.get("matchLabels")))
}

fn go_rule(rule: &Value) -> String {
    let text = |name: &str| rule.get(name).cloned().unwrap_or_else(|| "".into());
    let values = match rule.get("values").and_then(Value::as_array) {
        None => "[]string(nil)".into(),
        Some(values) => format!("[]string{{{}}}", values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
    };
    format!("v1.LabelSelectorRequirement{{Key:{}, Operator:{}, Values:{values}}}", text("key"), text("operator"))
}
