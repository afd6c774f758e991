//! The images that manifests name, and the full references that take the place of build names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Puts the full reference wherever a container names an image by its build name.
pub fn resolve(object: &mut Value, references: &BTreeMap<String, String>) {
    for container in containers_mut(object) {
        let reference = container["image"].as_str().and_then(|image| references.get(image));
        if let Some(reference) = reference {
            container["image"] = reference.as_str().into();
        }
    }
}

/// Returns every image that the containers of an object name, sorted and once each.
pub fn references(object: &Value) -> BTreeSet<String> {
    let Some(spec) = pod_spec_path(object).and_then(|path| object.pointer(path)) else { return BTreeSet::new() };
    CONTAINER_LISTS
        .iter()
        .filter_map(|list| spec[list].as_array())
        .flatten()
        .filter_map(|container| container["image"].as_str().map(Into::into))
        .collect()
}

/// Returns where an object of this kind keeps its pod's spec, as a JSON pointer; `None` if it makes no pods.
pub fn pod_spec_path(object: &Value) -> Option<&'static str> {
    match object["kind"].as_str()? {
        "Pod" => Some("/spec"),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
            Some("/spec/template/spec")
        }
        "PodTemplate" => Some("/template/spec"),
        "CronJob" => Some("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

fn containers_mut(object: &mut Value) -> Vec<&mut Value> {
    let spec = pod_spec_path(object).and_then(|path| object.pointer_mut(path)).and_then(Value::as_object_mut);
    let Some(spec) = spec else { return Vec::new() };
    spec.iter_mut()
        .filter(|(key, _)| CONTAINER_LISTS.contains(&key.as_str()))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
        .filter(|container| container.is_object())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn build_names_become_full_references_in_every_container() {
        let pod =
            json!({"initContainers": [{"image": "shop"}], "containers": [{"image": "shop"}, {"image": "redis:7"}]});
        let mut cron = json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}});
        resolve(&mut cron, &BTreeMap::from([("shop".into(), "registry/shop:1".into())]));
        assert_eq!(references(&cron), BTreeSet::from(["redis:7".into(), "registry/shop:1".into()]));
    }

    #[test]
    fn what_makes_no_pods_is_left_alone() {
        let mut map = json!({"kind": "ConfigMap", "data": {"image": "shop"}});
        let before = map.clone();
        resolve(&mut map, &BTreeMap::from([("shop".into(), "x".into())]));
        assert_eq!(map, before);
    }
}
