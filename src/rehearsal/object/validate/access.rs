//! Rules of roles and their bindings.

use serde_json::Value;

use super::problems::Problems;
use crate::rehearsal::object::read::{list, text};
use crate::rehearsal::resource::Resource;

const GROUP: &str = "rbac.authorization.k8s.io";

pub fn role(object: &Value, problems: &mut Problems) {
    for (index, rule) in list(object, "/rules").iter().enumerate() {
        let path = format!("rules[{index}]");
        if list(rule, "/verbs").is_empty() {
            problems.required(format!("{path}.verbs"), "verbs must contain at least one value");
        }
        if !list(rule, "/nonResourceURLs").is_empty() {
            continue;
        }
        if list(rule, "/apiGroups").is_empty() {
            problems.required(format!("{path}.apiGroups"), "resource rules must supply at least one api group");
        }
        if list(rule, "/resources").is_empty() {
            problems.required(format!("{path}.resources"), "resource rules must supply at least one resource");
        }
    }
}

pub fn binding(resource: &Resource, object: &Value, problems: &mut Problems) {
    let group = text(object, "/roleRef/apiGroup");
    if group != GROUP {
        problems.unsupported("roleRef.apiGroup", group, &[GROUP]);
    }
    let kinds: &[&str] = if resource.namespaced { &["ClusterRole", "Role"] } else { &["ClusterRole"] };
    let kind = text(object, "/roleRef/kind");
    if !kinds.contains(&kind) {
        problems.unsupported("roleRef.kind", kind, kinds);
    }
    if text(object, "/roleRef/name").is_empty() {
        problems.required("roleRef.name", "");
    }
    for (index, subject) in list(object, "/subjects").iter().enumerate() {
        let path = format!("subjects[{index}]");
        if text(subject, "/name").is_empty() {
            problems.required(format!("{path}.name"), "");
        }
        match text(subject, "/kind") {
            "User" | "Group" => {}
            "ServiceAccount" if text(subject, "/namespace").is_empty() => {
                problems.required(format!("{path}.namespace"), "");
            }
            "ServiceAccount" => {}
            other => problems.unsupported(format!("{path}.kind"), other, &["Group", "ServiceAccount", "User"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepted, refused};
    use serde_json::json;

    #[test]
    fn rules_say_what_may_be_done() {
        accepted("Role", json!({"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}));
        let rule = json!({"rules": [{"apiGroups": [""], "resources": ["pods"]}]});
        refused("Role", rule, "rules[0].verbs: Required value: verbs must contain at least one value");
        let subjects = json!([{"kind": "ServiceAccount", "name": "s"}]);
        let binding = json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects});
        refused("RoleBinding", binding, "subjects[0].namespace: Required value");
    }
}
