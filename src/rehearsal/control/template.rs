//! From a pod template to a pod, and from a template to its hash.

use serde_json::{Map, Value, json};

use super::context::{controlled_by, new_object};
use crate::rehearsal::store::Object;

/// Letters that no word can be made of, as Kubernetes uses them in generated names.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Returns five random letters for a generated name.
pub fn random_suffix() -> String {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    bytes[..5].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

/// Returns ten letters that are the same for equal templates.
pub fn hash(template: &Value, collisions: i64) -> String {
    // FNV-1a: stable across versions of this program, as names in the store depend on it.
    let text = format!("{template}{collisions}");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let letter = |n: u32| char::from(ALPHABET[(hash >> (n * 6)) as usize % ALPHABET.len()]);
    (0..10).map(letter).collect()
}

/// Returns a pod of `template` that `owner` controls.
pub fn pod(owner: &Object, template: &Value, name: &str) -> Value {
    let mut pod = new_object("Pod", &owner.key.namespace, name);
    for part in ["labels", "annotations", "finalizers"] {
        if !template["metadata"][part].is_null() {
            pod["metadata"][part] = template["metadata"][part].clone();
        }
    }
    pod["metadata"]["ownerReferences"] = controlled_by(owner);
    pod["spec"] = template["spec"].clone();
    admit(&mut pod["spec"]);
    pod["status"] = json!({"phase": "Pending", "qosClass": super::requests::quality_of_service(&pod["spec"])});
    pod
}

/// Returns a pod with a random name, as ReplicaSets and Jobs make them.
pub fn generated_pod(owner: &Object, template: &Value) -> Value {
    let mut pod = pod(owner, template, &format!("{}-{}", owner.key.name, random_suffix()));
    pod["metadata"]["generateName"] = json!(format!("{}-", owner.key.name));
    pod
}

/// What admission adds to every pod.
fn admit(spec: &mut Value) {
    let defaults = [
        ("serviceAccountName", json!("default")),
        ("serviceAccount", spec["serviceAccountName"].as_str().unwrap_or("default").into()),
        ("enableServiceLinks", json!(true)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        ("priority", json!(0)),
    ];
    for (key, value) in defaults {
        if spec[key].is_null() {
            spec[key] = value;
        }
    }
    for taint in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        tolerate(spec, taint);
    }
}

fn tolerate(spec: &mut Value, taint: &str) {
    if !spec["tolerations"].is_array() {
        spec["tolerations"] = json!([]);
    }
    let tolerations = spec["tolerations"].as_array_mut().expect("made just now");
    let tolerated = tolerations.iter().any(|one| {
        (one["key"] == taint || one["key"].is_null()) && (one["effect"] == "NoExecute" || one["effect"].is_null())
    });
    if !tolerated {
        tolerations.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
    }
}

/// Sets a label in a template or an object.
pub fn set_label(value: &mut Value, key: &str, text: &str) {
    set_in(&mut value["metadata"], "labels", key, text);
}

/// Sets an annotation in a template or an object.
pub fn set_annotation(value: &mut Value, key: &str, text: &str) {
    set_in(&mut value["metadata"], "annotations", key, text);
}

fn set_in(metadata: &mut Value, map: &str, key: &str, text: &str) {
    if !metadata[map].is_object() {
        metadata[map] = Value::Object(Map::new());
    }
    metadata[map][key] = json!(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_templates_have_equal_hashes_of_ten_harmless_letters() {
        let one = hash(&json!({"spec": {"a": 1, "b": 2}}), 0);
        assert_eq!(one, hash(&json!({"spec": {"b": 2, "a": 1}}), 0));
        assert_ne!(one, hash(&json!({"spec": {"a": 1, "b": 2}}), 1));
        assert!(one.len() == 10 && one.bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}
