//! Which fields may not change once an object is there.

use serde_json::Value;

use super::problems::{Problems, go_selector};
use crate::rehearsal::object::quantity::Quantity;
use crate::rehearsal::object::read::{has, is_true, list, name, text};
use crate::rehearsal::object::status::Status;
use crate::rehearsal::resource::Resource;

const IMMUTABLE: &str = "field is immutable";
const STATEFUL_SET: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
    'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
const STATEFUL_SET_MAY: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];
const CLAIM: &str =
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
const POD: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Checks that `after` changes only what may change of `before`. Both have their defaults filled in.
///
/// # Errors
/// 422 with every field that may not change.
pub fn update_allowed(resource: &'static Resource, before: &Value, after: &Value) -> Result<(), Status> {
    let mut problems = Problems::default();
    let change = Change { before, after };
    match resource.kind {
        "Deployment" | "ReplicaSet" | "DaemonSet" => change.selector(&mut problems),
        "StatefulSet" => change.spec_except(STATEFUL_SET_MAY, STATEFUL_SET, &mut problems),
        "Job" => change.job(&mut problems),
        "Pod" => change.pod(&mut problems),
        "PersistentVolumeClaim" => change.claim(&mut problems),
        "PersistentVolume" => change.volume(&mut problems),
        "Service" => change.service(&mut problems),
        "Secret" => {
            change.fixed("/type", "type", &mut problems);
            change.sealed(&["data"], &mut problems);
        }
        "ConfigMap" => change.sealed(&["data", "binaryData"], &mut problems),
        "RoleBinding" | "ClusterRoleBinding" if change.differs("/roleRef") => {
            problems.invalid("roleRef", &after["roleRef"], "cannot change roleRef");
        }
        "StorageClass" => change.class(&mut problems),
        "PriorityClass" if change.differs("/value") => problems.forbidden("value", "may not be changed in an update."),
        "IngressClass" => change.fixed("/spec/controller", "spec.controller", &mut problems),
        _ => {}
    }
    problems.into_result(resource, name(after))
}

struct Change<'a> {
    before: &'a Value,
    after: &'a Value,
}

impl Change<'_> {
    fn differs(&self, pointer: &str) -> bool {
        let at = |value| Value::pointer(value, pointer).filter(|value| !value.is_null());
        at(self.before) != at(self.after)
    }

    fn fixed(&self, pointer: &str, path: &str, problems: &mut Problems) {
        if self.differs(pointer) {
            problems.invalid(path, self.after.pointer(pointer).unwrap_or(&Value::Null), IMMUTABLE);
        }
    }

    fn selector(&self, problems: &mut Problems) {
        if self.differs("/spec/selector") {
            problems.invalid_as("spec.selector", &go_selector(self.after.pointer("/spec/selector")), IMMUTABLE);
        }
    }

    fn spec_except(&self, may_change: &[&str], why: &str, problems: &mut Problems) {
        let rest = |value: &Value| {
            let mut spec = value.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
            spec.retain(|field, value| !may_change.contains(&field.as_str()) && !value.is_null());
            spec
        };
        if rest(self.before) != rest(self.after) {
            problems.forbidden("spec", why);
        }
    }

    fn job(&self, problems: &mut Problems) {
        if self.differs("/spec/selector") {
            problems.invalid_as("spec.selector", &go_selector(self.after.pointer("/spec/selector")), IMMUTABLE);
        }
        let was_suspended = is_true(self.before, "/spec/suspend") && !has(self.before, "/status/startTime");
        if !was_suspended {
            self.fixed("/spec/template", "spec.template", problems);
        }
        self.fixed("/spec/completionMode", "spec.completionMode", problems);
        if text(self.after, "/spec/completionMode") != "Indexed" {
            self.fixed("/spec/completions", "spec.completions", problems);
        }
    }

    fn pod(&self, problems: &mut Problems) {
        for kind in ["containers", "initContainers"] {
            let count = |value| list(value, &format!("/spec/{kind}")).len();
            if count(self.before) != count(self.after) {
                return problems.forbidden(format!("spec.{kind}"), "pod updates may not add or remove containers");
            }
        }
        let tolerations = list(self.after, "/spec/tolerations");
        let lost = list(self.before, "/spec/tolerations").iter().any(|toleration| !tolerations.contains(toleration));
        if lost {
            problems
                .forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
        }
        let rest = |value: &Value| {
            let mut spec = value.get("spec").cloned().unwrap_or_default();
            if let Some(spec) = spec.as_object_mut() {
                spec.remove("activeDeadlineSeconds");
                spec.remove("tolerations");
                spec.retain(|_, value| !value.is_null());
            }
            for kind in ["containers", "initContainers"] {
                for container in spec.get_mut(kind).and_then(Value::as_array_mut).into_iter().flatten() {
                    container.as_object_mut().map(|container| container.remove("image"));
                }
            }
            spec
        };
        if rest(self.before) != rest(self.after) {
            problems.forbidden("spec", POD);
        }
    }

    fn claim(&self, problems: &mut Problems) {
        let storage = "/spec/resources/requests/storage";
        let rest = |value: &Value| {
            let mut spec = value.get("spec").cloned().unwrap_or_default();
            if let Some(spec) = spec.as_object_mut() {
                spec.remove("resources");
                spec.remove("volumeAttributesClassName");
                if text(self.before, "/spec/volumeName").is_empty() {
                    spec.remove("volumeName");
                }
                if !has(self.before, "/spec/storageClassName") {
                    spec.remove("storageClassName");
                }
            }
            spec
        };
        let bound = text(self.before, "/status/phase") == "Bound";
        if rest(self.before) != rest(self.after) || (!bound && self.differs(storage)) {
            return problems.forbidden("spec", CLAIM);
        }
        let size = |value| Quantity::parse(text(value, storage));
        if size(self.before).zip(size(self.after)).is_some_and(|(had, wanted)| wanted < had) {
            problems.forbidden("spec.resources.requests.storage", "field can not be less than previous value");
        }
    }

    fn volume(&self, problems: &mut Problems) {
        let beside = [
            "capacity",
            "accessModes",
            "claimRef",
            "persistentVolumeReclaimPolicy",
            "storageClassName",
            "mountOptions",
            "volumeMode",
            "nodeAffinity",
            "volumeAttributesClassName",
        ];
        let source = |value: &Value| {
            let mut spec = value.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
            spec.retain(|field, value| !beside.contains(&field.as_str()) && !value.is_null());
            spec
        };
        if source(self.before) != source(self.after) {
            let path = "spec.persistentvolumesource";
            problems.forbidden(path, "spec.persistentvolumesource is immutable after creation");
        }
        self.fixed("/spec/volumeMode", "spec.volumeMode", problems);
    }

    fn service(&self, problems: &mut Problems) {
        let external = |value| text(value, "/spec/type") == "ExternalName";
        let (had, wanted) = (text(self.before, "/spec/clusterIP"), text(self.after, "/spec/clusterIP"));
        if external(self.before) || external(self.after) || had.is_empty() || had == wanted || wanted.is_empty() {
            return;
        }
        problems.invalid_as("spec.clusterIPs[0]", &format!("[]string{{{wanted:?}}}"), "may not change once set");
    }

    fn class(&self, problems: &mut Problems) {
        for field in ["provisioner", "parameters", "reclaimPolicy"] {
            if self.differs(&format!("/{field}")) {
                problems.forbidden(field, &format!("updates to {field} are forbidden."));
            }
        }
        self.fixed("/volumeBindingMode", "volumeBindingMode", problems);
    }

    /// Fields that may not change once `immutable` is set.
    fn sealed(&self, fields: &[&str], problems: &mut Problems) {
        if !is_true(self.before, "/immutable") {
            return;
        }
        let why = "field is immutable when `immutable` is set";
        if !is_true(self.after, "/immutable") {
            problems.forbidden("immutable", why);
        }
        for field in fields.iter().filter(|field| self.differs(&format!("/{field}"))) {
            problems.forbidden(*field, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::resource::of;
    use serde_json::json;

    #[track_caller]
    fn refused(kind: &str, before: Value, after: Value, why: &str) {
        assert_eq!(update_allowed(of(kind), &before, &before), Ok(()));
        let message = update_allowed(of(kind), &before, &after).expect_err("the change is refused").message;
        assert_eq!(message.split_once(" is invalid: ").unwrap().1, why);
    }

    #[test]
    fn selectors_stay() {
        let with =
            |label: &str| json!({"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": {"app": label}}}});
        let why = "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{\"app\":\"b\"}, \
                   MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable";
        refused("Deployment", with("a"), with("b"), why);
        let set = |name: &str| json!({"spec": {"serviceName": name, "replicas": name.len()}});
        refused("StatefulSet", set("a"), set("bb"), &format!("spec: Forbidden: {STATEFUL_SET}"));
        let scaled = |replicas: i64| json!({"spec": {"replicas": replicas}});
        assert_eq!(update_allowed(of("StatefulSet"), &scaled(1), &scaled(2)), Ok(()));
    }

    #[test]
    fn of_a_pod_only_the_images_change() {
        let pod = |image: &str, node: &str| json!({"spec": {"nodeName": node, "containers": [{"name": "c", "image": image}]}});
        assert_eq!(update_allowed(of("Pod"), &pod("a", "n"), &pod("b", "n")), Ok(()));
        refused("Pod", pod("a", "n"), pod("a", "m"), &format!("spec: Forbidden: {POD}"));
    }

    #[test]
    fn claims_only_grow() {
        let claim = |size: &str, phase: &str| json!({"spec": {"resources": {"requests": {"storage": size}}}, "status": {"phase": phase}});
        assert_eq!(update_allowed(of("PersistentVolumeClaim"), &claim("1Gi", "Bound"), &claim("2Gi", "Bound")), Ok(()));
        let why = "spec.resources.requests.storage: Forbidden: field can not be less than previous value";
        refused("PersistentVolumeClaim", claim("2Gi", "Bound"), claim("1Gi", "Bound"), why);
        let why = format!("spec: Forbidden: {CLAIM}");
        refused("PersistentVolumeClaim", claim("1Gi", "Pending"), claim("2Gi", "Pending"), &why);
    }

    #[test]
    fn sealed_objects_stay() {
        let map = |value: &str| json!({"immutable": true, "data": {"a": value}});
        refused("ConfigMap", map("1"), map("2"), "data: Forbidden: field is immutable when `immutable` is set");
        let secret = |kind: &str| json!({"type": kind});
        refused("Secret", secret("Opaque"), secret("x"), "type: Invalid value: \"x\": field is immutable");
        let service = |ip: &str| json!({"spec": {"clusterIP": ip}});
        let why = "spec.clusterIPs[0]: Invalid value: []string{\"10.0.0.2\"}: may not change once set";
        refused("Service", service("10.0.0.1"), service("10.0.0.2"), why);
    }
}
