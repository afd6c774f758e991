//! Words for schemas and values.

use serde_json::{Map, Value};
use toml::de::DeValue;

/// Returns the texts that a schema allows, if it lists them.
pub(super) fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(Value::as_str).collect();
    }
    schema.get("oneOf")?.as_array()?.iter().map(|alternative| alternative.get("const")?.as_str()).collect()
}

/// Returns the keys that a schema lists.
pub(super) fn properties(schema: &Value) -> Vec<&str> {
    let listed = schema.get("properties").and_then(Value::as_object);
    listed.into_iter().flat_map(Map::keys).map(String::as_str).collect()
}

/// Returns the keys that a schema requires.
pub(super) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Returns what a schema says to those who do not keep to it.
pub(super) fn advice(schema: &Value) -> Option<String> {
    schema.get("errorMessage").and_then(Value::as_str).map(str::to_owned)
}

/// Returns the first example of a schema, as TOML.
pub(super) fn example(schema: &Value) -> Option<String> {
    Some(schema.get("examples")?.as_array()?.first()?.to_string())
}

/// Returns a value that fits, so that the rest can still be checked.
pub(super) fn placeholder(schema: &Value) -> Value {
    if let Some(example) = schema.get("examples").and_then(|examples| examples.get(0)) {
        return example.clone();
    }
    if let Some(choice) = choices(schema).and_then(|choices| choices.first().copied().map(Value::from)) {
        return choice;
    }
    match types(schema).first().copied() {
        Some("object") => {
            required(schema).map(|name| (name.to_owned(), placeholder(&schema["properties"][name]))).collect()
        }
        Some("array") => Value::Array(Vec::new()),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 0.into()),
        Some("boolean") => Value::Bool(false),
        _ => Value::from("x"),
    }
}

/// Returns whether a schema takes values of this kind; without a type it takes all.
pub(super) fn admits(schema: &Value, value: &DeValue<'_>) -> bool {
    let types = types(schema);
    types.is_empty() || json_types(value).iter().any(|name| types.contains(name))
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn json_types(value: &DeValue<'_>) -> &'static [&'static str] {
    match value {
        DeValue::String(_) => &["string"],
        DeValue::Integer(_) => &["integer", "number"],
        DeValue::Float(_) => &["number"],
        DeValue::Boolean(_) => &["boolean"],
        DeValue::Datetime(_) => &[],
        DeValue::Array(_) => &["array"],
        DeValue::Table(_) => &["object"],
    }
}

/// Returns what a value is, in words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Returns what a schema wants, in words.
pub(super) fn kind_of_schema(schema: &Value) -> &'static str {
    match types(schema).as_slice() {
        ["string"] => "a text in quotes",
        ["integer"] => "a whole number",
        ["number"] => "a number",
        ["boolean"] => "`true` or `false`",
        ["array"] => "a list",
        ["object"] => "a table",
        _ => "a simple value",
    }
}

/// Says how to write a value that has only the wrong notation.
pub(super) fn conversion(key: &str, value: &DeValue<'_>, schema: &Value) -> Option<String> {
    let types = types(schema);
    let [wanted] = types.as_slice() else {
        return None;
    };
    match (value, *wanted) {
        (DeValue::String(text), "integer") => {
            text.trim().parse::<i64>().ok().map(|number| format!("without quotes: `{key} = {number}`"))
        }
        (DeValue::String(text), "boolean") => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(format!("without quotes: `{key} = true`")),
            "false" | "no" | "off" => Some(format!("without quotes: `{key} = false`")),
            _ => None,
        },
        (DeValue::String(text), "array") => Some(format!("in brackets: `{key} = [{text:?}]`")),
        (DeValue::Boolean(truth), "string") => Some(format!("in quotes: `{key} = \"{truth}\"`")),
        (DeValue::Integer(number), "string") if schema.get("format").is_none() => {
            Some(format!("in quotes: `{key} = \"{}\"`", number.as_str()))
        }
        _ => None,
    }
}
