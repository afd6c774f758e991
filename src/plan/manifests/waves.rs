//! The order in which objects are sent.

use super::Manifest;

/// Objects of one wave need nothing of a later one; they are sent together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wave {
    Namespaces,
    /// CustomResourceDefinitions: served only some time after they were accepted.
    Definitions,
    /// What pods look for when they are made: accounts, rights, configuration, storage, services, policies, quotas.
    Surroundings,
    Workloads,
    /// Autoscalers, ingresses, custom resources and whatever is unknown.
    Rest,
    /// Webhooks and aggregated APIs: they stand in the way of every request until their own pods run.
    Interceptors,
}

/// Returns the wave of a kind.
pub fn wave_of(group: &str, kind: &str) -> Wave {
    match (group, kind) {
        ("", "Namespace") => Wave::Namespaces,
        ("apiextensions.k8s.io", _) => Wave::Definitions,
        ("", "Pod" | "ReplicationController") | ("apps" | "batch", _) => Wave::Workloads,
        ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _) => Wave::Interceptors,
        ("" | "policy" | "rbac.authorization.k8s.io" | "storage.k8s.io" | "scheduling.k8s.io" | "node.k8s.io", _)
        | ("networking.k8s.io", "NetworkPolicy" | "IngressClass") => Wave::Surroundings,
        _ => Wave::Rest,
    }
}

/// Groups manifests by wave, the first wave first; empty waves are left out.
pub fn waves(manifests: impl IntoIterator<Item = Manifest>) -> Vec<(Wave, Vec<Manifest>)> {
    let mut waves = std::collections::BTreeMap::<Wave, Vec<Manifest>>::new();
    for manifest in manifests {
        waves.entry(wave_of(manifest.group(), manifest.kind())).or_default().push(manifest);
    }
    waves.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn waves_come_in_order_and_none_is_empty() {
        let manifest = |api: &str, kind: &str| Manifest {
            file: "a".into(),
            line: 1,
            object: json!({"apiVersion": api, "kind": kind, "metadata": {"name": kind}}),
        };
        let order: Vec<_> = waves([
            manifest("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            manifest("autoscaling/v2", "HorizontalPodAutoscaler"),
            manifest("apps/v1", "Deployment"),
            manifest("v1", "Secret"),
            manifest("networking.k8s.io/v1", "NetworkPolicy"),
            manifest("v1", "Namespace"),
        ])
        .into_iter()
        .map(|(wave, manifests)| (wave, manifests.len()))
        .collect();
        assert_eq!(
            order,
            [
                (Wave::Namespaces, 1),
                (Wave::Surroundings, 2),
                (Wave::Workloads, 1),
                (Wave::Rest, 1),
                (Wave::Interceptors, 1)
            ]
        );
    }
}
