//! How lists and maps of the served types merge: what Kubernetes writes as `x-kubernetes-list-type`,
//! `x-kubernetes-map-type` and `patchMergeKey` on its types (`k8s.io/api`, `types.go`), by the end of a field's path.

use crate::rehearsal::resource::Resource;

/// How the owner of a field may share it, for server-side apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A map whose keys have owners of their own.
    Granular,
    /// A list or map that is one value.
    Atomic,
    /// A list of distinct scalars.
    Set,
    /// A list of maps, told apart by these keys.
    Keyed(&'static [&'static str]),
}

/// How a strategic merge patch treats a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The patch replaces a list, and is merged into a map.
    Default,
    /// The patch replaces the map as a whole.
    Replace,
    /// The list's elements are merged by this key.
    By(&'static str),
    /// The list of scalars is a union.
    Union,
}

struct Rule {
    /// Kind that the rule is for; empty for any.
    kind: &'static str,
    /// Field names joined by dots, list elements left out; matches the end of a path.
    path: &'static str,
    shape: Shape,
    merge: Merge,
}

const fn keyed(path: &'static str, keys: &'static [&'static str], merge: &'static str) -> Rule {
    Rule { kind: "", path, shape: Shape::Keyed(keys), merge: Merge::By(merge) }
}

const fn set(path: &'static str, merge: Merge) -> Rule {
    Rule { kind: "", path, shape: Shape::Set, merge }
}

const fn atomic(path: &'static str) -> Rule {
    Rule { kind: "", path, shape: Shape::Atomic, merge: Merge::Default }
}

const fn only(kind: &'static str, rule: Rule) -> Rule {
    Rule { kind, ..rule }
}

const fn merged(rule: Rule, merge: Merge) -> Rule {
    Rule { merge, ..rule }
}

/// The first rule that matches counts. A list without a rule is atomic, a map without one granular.
static RULES: &[Rule] = &[
    // Metadata.
    keyed("metadata.ownerReferences", &["uid"], "uid"),
    set("metadata.finalizers", Merge::Union),
    // Pods and their templates.
    keyed("spec.containers", &["name"], "name"),
    keyed("spec.initContainers", &["name"], "name"),
    keyed("spec.ephemeralContainers", &["name"], "name"),
    keyed("ontainers.env", &["name"], "name"),
    keyed("ontainers.ports", &["containerPort", "protocol"], "containerPort"),
    keyed("ontainers.volumeMounts", &["mountPath"], "mountPath"),
    keyed("ontainers.volumeDevices", &["devicePath"], "devicePath"),
    merged(keyed("ontainers.resources.claims", &["name"], ""), Merge::Default),
    keyed("spec.volumes", &["name"], "name"),
    only("ServiceAccount", atomic("imagePullSecrets")),
    keyed("spec.imagePullSecrets", &["name"], "name"),
    keyed("spec.hostAliases", &["ip"], "ip"),
    keyed("spec.topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"], "topologyKey"),
    keyed("spec.schedulingGates", &["name"], "name"),
    keyed("spec.resourceClaims", &["name"], "name"),
    atomic("spec.nodeSelector"),
    set("volumeMounts.bindMountOptions", Merge::Default),
    // Selectors and references, which are one value each.
    only("PodDisruptionBudget", merged(atomic("spec.selector"), Merge::Replace)),
    atomic("spec.selector"),
    atomic("labelSelector"),
    atomic("namespaceSelector"),
    atomic("podSelector"),
    atomic("metric.selector"),
    atomic("objectSelector"),
    atomic("valueFrom.fieldRef"),
    atomic("valueFrom.resourceFieldRef"),
    atomic("valueFrom.configMapKeyRef"),
    atomic("valueFrom.secretKeyRef"),
    atomic("items.fieldRef"),
    atomic("items.resourceFieldRef"),
    atomic("nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"),
    atomic("secretRef"),
    atomic("dataSource"),
    atomic("involvedObject"),
    atomic("targetRef"),
    atomic("roleRef"),
    atomic("backend.resource"),
    atomic("defaultBackend.resource"),
    // Services.
    only("Service", keyed("spec.ports", &["port", "protocol"], "port")),
    // Other specs.
    only("ServiceAccount", keyed("secrets", &["name"], "name")),
    set("spec.podCIDRs", Merge::Union),
    set("endpoints.addresses", Merge::Default),
    set("onExitCodes.values", Merge::Default),
    // Status.
    only("Job", merged(atomic("status.conditions"), Merge::By("type"))),
    keyed("status.conditions", &["type"], "type"),
    keyed("status.podIPs", &["ip"], "ip"),
    merged(atomic("status.hostIPs"), Merge::By("ip")),
    keyed("status.addresses", &["type"], "type"),
    set("uncountedTerminatedPods.succeeded", Merge::Default),
    set("uncountedTerminatedPods.failed", Merge::Default),
];

fn rule(resource: &Resource, path: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| path.ends_with(rule.path) && (rule.kind.is_empty() || rule.kind == resource.kind))
}

/// Returns the shape of a list at `path`: field names joined by dots, list elements left out.
pub fn list_shape(resource: &Resource, path: &str) -> Shape {
    match rule(resource, path).map(|rule| rule.shape) {
        Some(shape @ (Shape::Set | Shape::Keyed(_))) => shape,
        _ => Shape::Atomic,
    }
}

/// Returns the shape of a map at `path`.
pub fn map_shape(resource: &Resource, path: &str) -> Shape {
    match rule(resource, path).map(|rule| rule.shape) {
        Some(Shape::Atomic) => Shape::Atomic,
        _ => Shape::Granular,
    }
}

/// Returns how a strategic merge patch treats `path`.
pub fn merge(resource: &Resource, path: &str) -> Merge {
    rule(resource, path).map_or(Merge::Default, |rule| rule.merge)
}

/// Returns what a missing key of a keyed list's element means, if it has a default.
pub fn key_default(key: &str) -> Option<&'static str> {
    (key == "protocol").then_some("TCP")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::resource::of;

    #[track_caller]
    fn case(kind: &str, path: &str, shape: Shape, expected: Merge) {
        assert_eq!((list_shape(of(kind), path), merge(of(kind), path)), (shape, expected), "{kind} {path}");
    }

    #[test]
    fn lists_merge_as_their_types_say() {
        case("Pod", "spec.containers", Shape::Keyed(&["name"]), Merge::By("name"));
        case("Deployment", "spec.template.spec.initContainers.env", Shape::Keyed(&["name"]), Merge::By("name"));
        let ports = Shape::Keyed(&["containerPort", "protocol"]);
        case("CronJob", "spec.jobTemplate.spec.template.spec.containers.ports", ports, Merge::By("containerPort"));
        case("Service", "spec.ports", Shape::Keyed(&["port", "protocol"]), Merge::By("port"));
        case("Pod", "spec.tolerations", Shape::Atomic, Merge::Default);
        case("Job", "status.conditions", Shape::Atomic, Merge::By("type"));
        case("Pod", "metadata.finalizers", Shape::Set, Merge::Union);
        case("NetworkPolicy", "spec.ingress.ports", Shape::Atomic, Merge::Default);
        case("ServiceAccount", "imagePullSecrets", Shape::Atomic, Merge::Default);
    }

    #[test]
    fn selectors_are_one_value() {
        assert_eq!(map_shape(of("Service"), "spec.selector"), Shape::Atomic);
        assert_eq!(map_shape(of("Deployment"), "metadata.labels"), Shape::Granular);
        assert_eq!(merge(of("PodDisruptionBudget"), "spec.selector"), Merge::Replace);
    }
}
