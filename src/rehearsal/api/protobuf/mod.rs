//! Objects sent as protobuf, which `kubectl create namespace` and its siblings do whatever the server says.

mod messages;
mod pods;
mod wire;

use serde_json::{Map, Number, Value, json};

use messages::{Field, Form, Type, fields};
use wire::{Wire, records};

const MAGIC: &[u8] = b"k8s\0";

/// Decodes an object from Kubernetes' protobuf envelope to what its JSON would be.
///
/// # Errors
/// What cannot be read, as a part of a sentence: nothing is dropped silently.
pub(super) fn decode(body: &[u8]) -> Result<Value, String> {
    let envelope = body.strip_prefix(MAGIC).ok_or("it does not begin as a Kubernetes object")?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), [].as_slice());
    for record in records(envelope) {
        match record? {
            (1, Wire::Bytes(type_meta)) => {
                for record in records(type_meta) {
                    match record? {
                        (1, Wire::Bytes(text)) => api_version = utf8(text)?,
                        (2, Wire::Bytes(text)) => kind = utf8(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(object)) => raw = object,
            _ => {}
        }
    }
    let name = if api_version == "autoscaling/v1" { format!("{kind}V1") } else { kind.clone() };
    let mut object = message(&name, raw)?;
    object.insert("apiVersion".into(), json!(api_version));
    object.insert("kind".into(), json!(kind));
    Ok(Value::Object(object))
}

fn message(name: &str, bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let fields = fields(name).ok_or_else(|| format!("{name} is not understood"))?;
    let mut object = Map::new();
    for record in records(bytes) {
        let (number, wire) = record?;
        let unknown = || format!("field {number} of {name} is not understood");
        let field = fields.iter().find(|field| field.number == number).ok_or_else(unknown)?;
        add(&mut object, field, wire)?;
    }
    Ok(object)
}

fn add(object: &mut Map<String, Value>, field: &Field, wire: Wire) -> Result<(), String> {
    match field.form {
        Form::Ignored => {}
        Form::Inline => {
            if let Value::Object(inner) = value(&field.of, wire)? {
                object.extend(inner);
            }
        }
        Form::List => {
            let value = value(&field.of, wire)?;
            let list = object.entry(field.name).or_insert_with(|| json!([]));
            list.as_array_mut().expect("made as a list").push(value);
        }
        Form::Map => {
            let (key, value) = entry(&field.of, wire)?;
            let map = object.entry(field.name).or_insert_with(|| json!({}));
            map[key] = value;
        }
        Form::One { keeps_zero } => {
            let value = value(&field.of, wire)?;
            // Go sends plain fields even when they are unset; only behind a pointer a zero means zero.
            if keeps_zero || ![json!(""), json!(0), json!(false)].contains(&value) {
                object.insert(field.name.into(), value);
            }
        }
    }
    Ok(())
}

fn entry(of: &Type, wire: Wire) -> Result<(String, Value), String> {
    let Wire::Bytes(bytes) = wire else { return Err("a map's entry is a number".into()) };
    let (mut key, mut content) = (String::new(), value(of, Wire::Bytes(&[]))?);
    for record in records(bytes) {
        match record? {
            (1, Wire::Bytes(text)) => key = utf8(text)?,
            (_, wire) => content = value(of, wire)?,
        }
    }
    Ok((key, content))
}

fn value(of: &Type, wire: Wire) -> Result<Value, String> {
    match (of, wire) {
        (Type::Text, Wire::Bytes(text)) => utf8(text).map(Value::String),
        // Negative numbers are sent as their two's complement.
        (Type::Number, Wire::Varint(number)) => Ok(Value::Number(Number::from(number.cast_signed()))),
        (Type::Bool, Wire::Varint(number)) => Ok(json!(number != 0)),
        (Type::Bytes, Wire::Bytes(bytes)) => {
            Ok(json!(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)))
        }
        (Type::Quantity, Wire::Bytes(bytes)) => Ok(quantity(message("Quantity", bytes)?)),
        (Type::IntOrString, Wire::Bytes(bytes)) => Ok(int_or_string(message("IntOrString", bytes)?)),
        (Type::Message(name), Wire::Bytes(bytes)) => message(name, bytes).map(Value::Object),
        (of, _) => Err(format!("a field has the wrong wire type for {of:?}")),
    }
}

fn quantity(mut message: Map<String, Value>) -> Value {
    message.remove("string").unwrap_or_else(|| json!("0"))
}

fn int_or_string(mut message: Map<String, Value>) -> Value {
    let text = message.remove("type") == Some(json!(1));
    let absent = if text { json!("") } else { json!(0) };
    message.remove(if text { "text" } else { "number" }).unwrap_or(absent)
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a text is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn envelope(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
        let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC, &field(1, &type_meta), &field(2, object)].concat()
    }

    #[test]
    fn an_object_becomes_its_json() {
        let metadata = field(
            1,
            &[field(1, b"one"), field(2, b""), field(11, &[field(1, b"a"), field(2, b"b")].concat())].concat(),
        );
        let spec = field(2, &[vec![8, 0], field(2, &field(1, &[field(1, b"a"), field(2, b"b")].concat()))].concat());
        let decoded = decode(&envelope("apps/v1", "Deployment", &[metadata, spec].concat())).unwrap();
        let expected = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "one", "labels": {"a": "b"}},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}}});
        assert_eq!(decoded, expected);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let message = |body: &[u8]| decode(body).unwrap_err();
        assert_eq!(message(&envelope("v1", "Widget", b"")), "Widget is not understood");
        assert_eq!(message(&envelope("v1", "Namespace", &field(9, b""))), "field 9 of Namespace is not understood");
        assert!(decode(b"k8s\0\xff\xff").is_err());
        assert!(decode(b"{}").is_err());
    }
}
