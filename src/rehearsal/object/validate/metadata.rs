//! Rules of `metadata`, and of labels and selectors wherever they are.

use serde_json::Value;

use super::{names, problems::Problems};
use crate::rehearsal::object::read::{entries, has, list, text};
use crate::rehearsal::resource::Resource;

const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Checks an object's metadata; names have the syntax of their kind.
pub fn check(resource: &Resource, object: &Value, problems: &mut Problems) {
    let name = text(object, "/metadata/name");
    if name.is_empty() {
        problems.required("metadata.name", "name or generateName is required");
    } else {
        problems.syntax("metadata.name", name, name_problems(resource, name));
    }
    let namespace = text(object, "/metadata/namespace");
    if resource.namespaced && !namespace.is_empty() {
        problems.syntax("metadata.namespace", namespace, names::label(namespace));
    } else if !resource.namespaced && !namespace.is_empty() {
        problems.forbidden("metadata.namespace", "not allowed on this type");
    }
    common(object, "", "metadata", problems);
    for owner in list(object, "/metadata/ownerReferences") {
        let empty = [("apiVersion", "version must not be empty"), ("kind", "kind must not be empty")];
        let empty = empty.into_iter().chain([("name", "name must not be empty"), ("uid", "uid must not be empty")]);
        for (field, why) in empty.filter(|(field, _)| text(owner, &format!("/{field}")).is_empty()) {
            problems.invalid(format!("metadata.ownerReferences.{field}"), &"".into(), why);
        }
    }
    for finalizer in list(object, "/metadata/finalizers").iter().filter_map(Value::as_str) {
        problems.syntax("metadata.finalizers", finalizer, names::qualified(finalizer));
    }
}

/// Checks labels and annotations of the object at `pointer`, which people call `path`.
pub fn common(object: &Value, pointer: &str, path: &str, problems: &mut Problems) {
    labels(object, &format!("{pointer}/metadata/labels"), &format!("{path}.labels"), problems);
    let annotations = format!("{path}.annotations");
    let mut size = 0;
    for (key, value) in entries(object, &format!("{pointer}/metadata/annotations")) {
        problems.syntax(&annotations, key, names::qualified(&key.to_lowercase()));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > MAX_ANNOTATIONS {
        problems.too_long(annotations, MAX_ANNOTATIONS);
    }
}

/// Checks a map of labels.
pub fn labels(object: &Value, pointer: &str, path: &str, problems: &mut Problems) {
    for (key, value) in entries(object, pointer) {
        problems.syntax(path, key, names::qualified(key));
        let value = value.as_str().unwrap_or_default();
        problems.syntax(path, value, names::label_value(value));
    }
}

/// Checks a label selector.
pub fn selector(object: &Value, pointer: &str, path: &str, problems: &mut Problems) {
    labels(object, &format!("{pointer}/matchLabels"), &format!("{path}.matchLabels"), problems);
    for (index, rule) in list(object, &format!("{pointer}/matchExpressions")).iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = list(rule, "/values");
        match text(rule, "/operator") {
            "In" | "NotIn" if values.is_empty() => {
                problems.required(format!("{path}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => problems.forbidden(
                format!("{path}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => problems.invalid(format!("{path}.operator"), &other.into(), "not a valid selector operator"),
        }
        let key = text(rule, "/key");
        problems.syntax(&format!("{path}.key"), key, names::qualified(key));
        for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
            problems.syntax(&format!("{path}.values[{index}]"), value, names::label_value(value));
        }
    }
}

/// Tells whether the selector at `pointer` is absent or selects by nothing.
pub fn is_empty_selector(object: &Value, pointer: &str) -> bool {
    !has(object, pointer)
        || (entries(object, &format!("{pointer}/matchLabels")).next().is_none()
            && list(object, &format!("{pointer}/matchExpressions")).is_empty())
}

/// Tells whether a selector selects something with these labels.
pub fn selects(object: &Value, pointer: &str, labels: Option<&Value>) -> bool {
    let label = |key: &str| labels.and_then(|labels| labels.get(key));
    let equal = entries(object, &format!("{pointer}/matchLabels")).all(|(key, value)| label(key) == Some(value));
    equal
        && list(object, &format!("{pointer}/matchExpressions")).iter().all(|rule| {
            let (found, values) = (label(text(rule, "/key")), list(rule, "/values"));
            match text(rule, "/operator") {
                "In" => found.is_some_and(|found| values.contains(found)),
                "NotIn" => found.is_none_or(|found| !values.contains(found)),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

fn name_problems(resource: &Resource, name: &str) -> Vec<String> {
    match resource.kind {
        "Namespace" => names::label(name),
        "Service" => names::service(name),
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => names::path_segment(name),
        "CronJob" if name.len() > 52 => vec!["must be no more than 52 characters".into()],
        _ => names::subdomain(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepted, refused};
    use super::*;
    use serde_json::json;

    #[test]
    fn names_have_the_syntax_of_their_kind() {
        let long = "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        let why = format!(
            "metadata.name: Invalid value: \"My_App\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
             characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used \
             for validation is {long}"
        );
        refused("ConfigMap", json!({"metadata": {"name": "My_App"}}), &why);
        accepted("ConfigMap", json!({"metadata": {"name": "kube-root-ca.crt"}}));
        accepted("ClusterRole", json!({"metadata": {"name": "system:node"}}));
        refused(
            "ClusterRole",
            json!({"metadata": {"name": "a/b"}}),
            "metadata.name: Invalid value: \"a/b\": may not contain '/'",
        );
        refused(
            "ConfigMap",
            json!({"metadata": {}}),
            "metadata.name: Required value: name or generateName is required",
        );
    }

    #[test]
    fn selectors_select_by_labels() {
        let selector = json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["2"]}]});
        assert!(selects(&selector, "", Some(&json!({"a": "1"}))));
        assert!(!selects(&selector, "", Some(&json!({"a": "1", "b": "2"}))));
        assert!(!selects(&selector, "", None));
    }
}
