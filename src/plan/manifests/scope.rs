//! Which kinds live in a namespace.

use std::collections::BTreeSet;

use super::Manifest;

/// Groups that the API server itself serves. Other groups come with add-ons, whose kinds may be of either scope.
const OWN_GROUPS: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Cluster-wide kinds of those groups.
const CLUSTER_WIDE: &[&str] = &[
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "IPAddress",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "ServiceCIDR",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
    "VolumeAttributesClass",
];

/// Returns whether objects of this kind live in a namespace; `None` if only the cluster can tell.
pub fn is_namespaced(group: &str, kind: &str) -> Option<bool> {
    OWN_GROUPS.contains(&group).then(|| !CLUSTER_WIDE.contains(&kind))
}

/// Puts objects that name no namespace into `namespace`, as far as their kind is known to live in one: by itself or
/// by a CustomResourceDefinition among `manifests`. The others are left for the cluster's discovery to decide.
pub fn fill_in_namespaces(manifests: &mut [Manifest], namespace: &str) {
    let defined: BTreeSet<_> = manifests.iter().filter_map(namespaced_definition).collect();
    for manifest in manifests.iter_mut() {
        let known = is_namespaced(manifest.group(), manifest.kind()) == Some(true)
            || defined.contains(&(manifest.group().to_string(), manifest.kind().to_string()));
        if known && manifest.namespace().is_none() {
            manifest.object["metadata"]["namespace"] = namespace.into();
        }
    }
}

/// Returns the group and kind that a CustomResourceDefinition with scope `Namespaced` defines.
fn namespaced_definition(manifest: &Manifest) -> Option<(String, String)> {
    let spec = &manifest.object["spec"];
    let defines = manifest.kind() == "CustomResourceDefinition" && spec["scope"] == "Namespaced";
    defines.then(|| Some((spec["group"].as_str()?.into(), spec["names"]["kind"].as_str()?.into())))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scopes_are_known_only_where_they_are_certain() {
        assert_eq!(is_namespaced("apps", "Deployment"), Some(true));
        assert_eq!(is_namespaced("", "Namespace"), Some(false));
        assert_eq!(is_namespaced("rbac.authorization.k8s.io", "ClusterRole"), Some(false));
        assert_eq!(is_namespaced("snapshot.storage.k8s.io", "VolumeSnapshot"), None);
        assert_eq!(is_namespaced("traefik.io", "IngressRoute"), None);
    }

    #[test]
    fn a_definition_in_the_stack_decides_about_its_objects() {
        let manifest = |object| Manifest { file: "a".into(), line: 1, object };
        let spec = json!({"scope": "Namespaced", "group": "example.org", "names": {"kind": "Toy"}});
        let mut manifests = [
            manifest(json!({"apiVersion": "example.org/v1", "kind": "Toy", "metadata": {"name": "t"}})),
            manifest(json!({"apiVersion": "example.org/v1", "kind": "Box", "metadata": {"name": "b"}})),
            manifest(json!({"kind": "CustomResourceDefinition", "metadata": {"name": "toys"}, "spec": spec})),
        ];
        fill_in_namespaces(&mut manifests, "shop");
        assert_eq!(manifests.map(|m| m.namespace().map(String::from)), [Some("shop".into()), None, None]);
    }
}
