//! The JSON Schema of `orchestrator.toml`: what editors show is what is enforced.

use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::Value;

use super::Config;

/// Returns the JSON Schema (2020-12) of `orchestrator.toml`.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let generator = settings.with_transform(RecursiveTransform(tidy)).into_generator();
    generator.into_root_schema_for::<Config>().to_value()
}

/// Joins wrapped lines; removes what TOML cannot say (null) and what says nothing (integer widths, empty defaults).
fn tidy(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    unwrap_nullable(schema);
    if schema.get("default").is_some_and(|default| default.is_null() || default.is_object()) {
        schema.remove("default");
    }
    let is_width = |format: &Value| format.as_str().is_some_and(|name| name.starts_with("uint"));
    if schema.get("format").is_some_and(is_width) {
        schema.remove("format");
    }
}

/// `anyOf: [T, null]` is an optional T, and an optional key is just not required.
fn unwrap_nullable(schema: &mut Schema) {
    let Some([Value::Object(only), Value::Object(null)]) =
        schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice)
    else {
        return;
    };
    if null.get("type").is_some_and(|name| name == "null") {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            schema.ensure_object().entry(key).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_a_valid_one_and_knows_no_null() {
        assert!(jsonschema::meta::is_valid(&schema()));
        assert!(!schema().to_string().contains("null"));
    }

    #[test]
    fn optional_keys_keep_their_type_and_format() {
        let schema = schema();
        assert_eq!(
            schema.pointer("/properties/machine/properties/server/properties/memory/format"),
            Some(&"size".into())
        );
        assert_eq!(
            schema.pointer("/properties/vagrant/properties/driver/enum"),
            Some(&serde_json::json!(["kvm", "qemu"]))
        );
    }
}
