//! Rules of config maps and secrets.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{names, problems::Problems};
use crate::rehearsal::object::read::{entries, has, text};

const MAX_BYTES: usize = 1024 * 1024;

/// The entries that a type of secret must have.
const NEEDED: &[(&str, &[&str])] = &[
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

pub fn config_map(object: &Value, problems: &mut Problems) {
    let mut size = 0;
    for (map, encoded) in [("data", false), ("binaryData", true)] {
        for (key, value) in entries(object, &format!("/{map}")) {
            problems.syntax(&format!("{map}[{key}]"), key, names::config_key(key));
            let text = value.as_str().unwrap_or_default();
            size += if encoded { BASE64_STANDARD.decode(text).map_or(0, |bytes| bytes.len()) } else { text.len() };
            if !encoded && object.get("binaryData").is_some_and(|binary| binary.get(key).is_some()) {
                problems.invalid(
                    format!("data[{key}]"),
                    &key.as_str().into(),
                    "duplicate of key present in binaryData",
                );
            }
        }
    }
    if size > MAX_BYTES {
        problems.too_long("", MAX_BYTES);
    }
}

pub fn secret(object: &Value, problems: &mut Problems) {
    let mut size = 0;
    for (key, value) in entries(object, "/data") {
        problems.syntax(&format!("data[{key}]"), key, names::config_key(key));
        size += value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok()).map_or(0, |bytes| bytes.len());
    }
    if size > MAX_BYTES {
        problems.too_long("data", MAX_BYTES);
    }
    let kind = text(object, "/type");
    for key in NEEDED.iter().filter(|(name, _)| *name == kind).flat_map(|(_, keys)| *keys) {
        if object.get("data").and_then(|data| data.get(key)).is_none() {
            problems.required(format!("data[{key}]"), "");
        }
    }
    if kind == "kubernetes.io/service-account-token"
        && !has(object, "/metadata/annotations/kubernetes.io~1service-account.name")
    {
        problems.required("metadata.annotations[kubernetes.io/service-account.name]", "");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepted, check, refused};
    use serde_json::json;

    #[test]
    fn keys_have_their_syntax() {
        accepted("ConfigMap", json!({"data": {"app.conf": "x"}}));
        let why = "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
                   (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
        refused("ConfigMap", json!({"data": {"a b": "x"}}), why);
    }

    #[test]
    fn secrets_are_encoded_and_whole() {
        accepted("Secret", json!({"data": {"a": "eA=="}, "stringData": {"b": "y"}}));
        refused(
            "Secret",
            json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "eA=="}}),
            "data[tls.key]: Required value",
        );
        let refusal = check("Secret", json!({"data": {"a": "not base64"}})).unwrap_err();
        assert_eq!(refusal.code, 400);
        assert!(refusal.message.contains("illegal base64 data"), "{refusal}");
    }
}
