//! From a manifest as written to the object as it is sent.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Manifest, equal, images};
use crate::model::hex::hex;

/// Label with the name of the stack that an object belongs to.
pub const STACK_LABEL: &str = "orchestrator/stack";
/// Label that says which program looks after an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY_LABEL`].
pub const MANAGER: &str = "orchestrator";
/// Annotation with the hash of the object as it was sent. Only what the orchestrator sent has it.
pub const HASH_ANNOTATION: &str = "orchestrator/manifest-hash";

/// Makes the object as it is sent: full image references, the stack's labels, encoded `stringData`, nothing that only
/// a server writes, and a hash of all that.
pub fn prepare(mut manifest: Manifest, stack: &str, references: &BTreeMap<String, String>) -> Manifest {
    let object = &mut manifest.object;
    remove_server_fields(object);
    encode_string_data(object);
    images::resolve(object, references);
    let metadata = &mut object["metadata"];
    metadata["labels"][STACK_LABEL] = stack.into();
    metadata["labels"][MANAGED_BY_LABEL] = MANAGER.into();
    let hash = hash(object);
    object["metadata"]["annotations"][HASH_ANNOTATION] = hash.into();
    manifest
}

/// Returns whether `live` came from exactly this prepared object and nobody has changed it since.
pub fn is_up_to_date(live: &Value, prepared: &Value) -> bool {
    let hash = |object: &Value| object["metadata"]["annotations"][HASH_ANNOTATION].clone();
    hash(live) == hash(prepared) && equal::contains(live, prepared)
}

/// Exported manifests carry these; server-side apply refuses some and the rest would be drift for ever.
fn remove_server_fields(object: &mut Value) {
    const FIELDS: [&str; 6] =
        ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| !FIELDS.contains(&key.as_str()));
        }
    }
}

/// The server keeps `stringData` only as `data`; sent that way, the live object can be compared.
fn encode_string_data(object: &mut Value) {
    let is_secret = object["kind"] == "Secret" && object["apiVersion"] == "v1";
    if !is_secret || !object["stringData"].is_object() || !(object["data"].is_object() || object["data"].is_null()) {
        return;
    }
    let Value::Object(plain) = object["stringData"].take() else { return };
    let mut data = object["data"].as_object().cloned().unwrap_or_default();
    data.extend(plain.into_iter().map(|(key, value)| (key, encoded(value))));
    object["data"] = data.into();
    object.as_object_mut().map(|object: &mut Map<_, _>| object.remove("stringData"));
}

fn encoded(value: Value) -> Value {
    value.as_str().map(|text| BASE64_STANDARD.encode(text).into()).unwrap_or(value)
}

fn hash(object: &Value) -> String {
    hex(&Sha256::digest(object.to_string())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prepared(object: Value) -> Value {
        let references = BTreeMap::from([("shop".into(), "registry/shop:1".into())]);
        prepare(Manifest { file: "a".into(), line: 1, object }, "store", &references).object
    }

    #[test]
    fn an_object_is_sent_with_its_stack_and_its_full_image() {
        let pod =
            prepared(json!({"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"image": "shop"}]}}));
        assert_eq!(pod["metadata"]["labels"][STACK_LABEL], "store");
        assert_eq!(pod["spec"]["containers"][0]["image"], "registry/shop:1");
        assert!(is_up_to_date(&pod, &pod));
    }

    #[test]
    fn a_field_that_the_manifest_no_longer_has_is_a_change() {
        let before = prepared(json!({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}}));
        let after = prepared(json!({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}));
        assert!(!is_up_to_date(&before, &after));
    }

    #[test]
    fn an_exported_secret_becomes_what_the_server_keeps() {
        let secret = prepared(json!({
            "apiVersion": "v1", "kind": "Secret", "status": {},
            "metadata": {"name": "a", "uid": "1", "creationTimestamp": null},
            "data": {"a": "Yg=="}, "stringData": {"b": "c"}
        }));
        assert_eq!(secret["data"], json!({"a": "Yg==", "b": "Yw=="}));
        for gone in ["/stringData", "/status", "/metadata/uid", "/metadata/creationTimestamp"] {
            assert_eq!(secret.pointer(gone), None, "{gone}");
        }
    }
}
