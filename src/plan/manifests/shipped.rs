//! What the shipped microservices stack promises.

use std::{fs, path::Path};

use k8s_openapi::{
    api::{
        apps::v1 as apps, autoscaling::v2 as autoscaling, core::v1 as core, networking::v1 as networking,
        policy::v1 as policy,
    },
    serde::{Serialize, de::DeserializeOwned},
};
use serde_json::Value;

use super::{Manifest, equal, images, parse};

fn stack() -> Vec<Manifest> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/microservices");
    let files: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), fs::read_to_string(path).expect("text")))
        .collect();
    parse(&files, "microservices").expect("valid manifests")
}

/// Reads and writes the object as its real type: a field that does not come back is unknown or wrong.
fn roundtrip<T: Serialize + DeserializeOwned>(object: &Value) -> Value {
    serde_json::to_value(T::deserialize(object).expect("the type's shape")).expect("JSON")
}

fn pod_specs(stack: &[Manifest]) -> Vec<(&str, &Value)> {
    let spec = |manifest: &Manifest| images::pod_spec_path(&manifest.object);
    stack.iter().filter_map(|m| Some((m.name(), m.object.pointer(spec(m)?)?))).collect()
}

#[test]
fn every_object_has_the_shape_of_its_type() {
    for manifest in stack() {
        let object = &manifest.object;
        let typed = match manifest.kind() {
            "Namespace" => roundtrip::<core::Namespace>(object),
            "Service" => roundtrip::<core::Service>(object),
            "PersistentVolumeClaim" => roundtrip::<core::PersistentVolumeClaim>(object),
            "Deployment" => roundtrip::<apps::Deployment>(object),
            "StatefulSet" => roundtrip::<apps::StatefulSet>(object),
            "HorizontalPodAutoscaler" => roundtrip::<autoscaling::HorizontalPodAutoscaler>(object),
            "PodDisruptionBudget" => roundtrip::<policy::PodDisruptionBudget>(object),
            "NetworkPolicy" => roundtrip::<networking::NetworkPolicy>(object),
            kind => panic!("{kind} does not belong in the stack: Secrets are generated"),
        };
        assert!(equal::contains(&typed, object), "{}: {object}", manifest.identity());
    }
}

#[test]
fn every_container_is_bounded_probed_and_confined() {
    let stack = stack();
    let pods = pod_specs(&stack);
    assert_eq!(pods.len(), 6);
    for (name, pod) in pods {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        for container in pod["containers"].as_array().expect("containers") {
            for part in ["requests", "limits"] {
                for resource in ["cpu", "memory"] {
                    assert!(container["resources"][part][resource].is_string(), "{name} {part} {resource}");
                }
            }
            for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                assert!(container[probe].is_object(), "{name} {probe}");
            }
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["capabilities"]["drop"][0], "ALL", "{name}");
        }
    }
}

#[test]
fn an_autoscaler_alone_decides_about_replicas() {
    let stack = stack();
    let scaled: Vec<_> = stack
        .iter()
        .filter(|manifest| manifest.kind() == "HorizontalPodAutoscaler")
        .filter_map(|manifest| manifest.object["spec"]["scaleTargetRef"]["name"].as_str())
        .collect();
    assert_eq!(scaled.len(), 2);
    for manifest in stack.iter().filter(|manifest| matches!(manifest.kind(), "Deployment" | "StatefulSet")) {
        let owned = scaled.contains(&manifest.name());
        assert_eq!(manifest.object["spec"]["replicas"].is_null(), owned, "{}", manifest.name());
    }
}
