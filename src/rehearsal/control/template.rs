//! From a pod template to a pod, and from a template to its hash.

use serde_json::{Map, Value, json};

use super::context::{controlled_by, new_object};
use crate::rehearsal::{
    admission::{SUFFIX_LETTERS, random_suffix},
    store::Object,
};

/// Returns ten letters that are the same for equal templates.
pub fn hash(template: &Value, collisions: i64) -> String {
    // FNV-1a: stable across versions of this program, as names in the store depend on it.
    let text = format!("{template}{collisions}");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let letter = |n: u32| char::from(SUFFIX_LETTERS[(hash >> (n * 6)) as usize % SUFFIX_LETTERS.len()]);
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
    pod["status"] = json!({"phase": "Pending", "qosClass": super::requests::quality_of_service(&pod["spec"])});
    pod
}

/// Returns a pod with a random name, as ReplicaSets and Jobs make them.
pub fn generated_pod(owner: &Object, template: &Value) -> Value {
    let mut pod = pod(owner, template, &format!("{}-{}", owner.key.name, random_suffix()));
    pod["metadata"]["generateName"] = json!(format!("{}-", owner.key.name));
    pod
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
        assert!(one.len() == 10 && one.bytes().all(|byte| SUFFIX_LETTERS.contains(&byte)));
    }
}
