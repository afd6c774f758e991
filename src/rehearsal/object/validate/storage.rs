//! Rules of volumes, claims and their classes.

use serde_json::Value;

use super::problems::Problems;
use crate::rehearsal::object::quantity::Quantity;
use crate::rehearsal::object::read::{entries, list, text};

const MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

pub fn claim(object: &Value, problems: &mut Problems) {
    modes(object, "at least 1 access mode is required", problems);
    size(object, "/spec/resources/requests/storage", "spec.resources[storage]", problems);
    problems.one_of("spec.volumeMode", text(object, "/spec/volumeMode"), &["Block", "Filesystem"]);
}

pub fn volume(object: &Value, problems: &mut Problems) {
    modes(object, "", problems);
    if entries(object, "/spec/capacity").next().is_none() {
        problems.required("spec.capacity", "");
    } else {
        size(object, "/spec/capacity/storage", "spec.capacity[storage]", problems);
    }
    let beside = ["capacity", "claimRef", "nodeAffinity"];
    let sources =
        entries(object, "/spec").filter(|(name, source)| source.is_object() && !beside.contains(&name.as_str()));
    match sources.count() {
        0 => problems.required("spec", "must specify a volume type"),
        1 => {}
        _ => problems.forbidden("spec", "may not specify more than 1 volume type"),
    }
    let policies = &["Delete", "Recycle", "Retain"];
    problems.one_of(
        "spec.persistentVolumeReclaimPolicy",
        text(object, "/spec/persistentVolumeReclaimPolicy"),
        policies,
    );
}

pub fn class(object: &Value, problems: &mut Problems) {
    if text(object, "/provisioner").is_empty() {
        problems.required("provisioner", "");
    }
    problems.one_of("reclaimPolicy", text(object, "/reclaimPolicy"), &["Delete", "Retain"]);
    problems.one_of("volumeBindingMode", text(object, "/volumeBindingMode"), &["Immediate", "WaitForFirstConsumer"]);
}

fn modes(object: &Value, why: &str, problems: &mut Problems) {
    let modes = list(object, "/spec/accessModes");
    if modes.is_empty() {
        problems.required("spec.accessModes", why);
    }
    for mode in modes.iter().filter_map(Value::as_str) {
        if !MODES.contains(&mode) {
            problems.unsupported("spec.accessModes", mode, MODES);
        }
    }
}

fn size(object: &Value, pointer: &str, path: &str, problems: &mut Problems) {
    let size = text(object, pointer);
    match Quantity::parse(size) {
        None => problems.required(path, ""),
        Some(amount) if amount.is_negative() || amount.units() == 0 => {
            problems.invalid(path, &size.into(), "must be greater than zero");
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepted, refused};
    use serde_json::json;

    #[test]
    fn claims_say_how_much_and_how() {
        let resources = json!({"requests": {"storage": "1Gi"}});
        accepted("PersistentVolumeClaim", json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": resources}}));
        let no_mode = json!({"spec": {"resources": resources}});
        refused(
            "PersistentVolumeClaim",
            no_mode,
            "spec.accessModes: Required value: at least 1 access mode is required",
        );
        let no_size = json!({"spec": {"accessModes": ["ReadWriteOnce"]}});
        refused("PersistentVolumeClaim", no_size, "spec.resources[storage]: Required value");
        let other = json!({"spec": {"accessModes": ["RWO"], "resources": resources}});
        let modes = "\"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"";
        refused(
            "PersistentVolumeClaim",
            other,
            &format!("spec.accessModes: Unsupported value: \"RWO\": supported values: {modes}"),
        );
    }

    #[test]
    fn volumes_have_a_source() {
        let spec =
            json!({"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}});
        accepted("PersistentVolume", json!({"spec": spec}));
        let none = json!({"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}});
        refused("PersistentVolume", none, "spec: Required value: must specify a volume type");
    }
}
