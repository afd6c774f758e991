//! Label selectors as workloads write them.

use serde_json::Value;

/// Returns whether the labels of `object` match a `matchLabels`/`matchExpressions` selector. No selector matches
/// nothing; an empty one matches everything.
pub fn matches(selector: &Value, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    let wanted = selector["matchLabels"].as_object();
    let expressions = selector["matchExpressions"].as_array();
    selector.is_object()
        && wanted.into_iter().flatten().all(|(key, value)| &labels[key.as_str()] == value)
        && expressions.into_iter().flatten().all(|expression| holds(expression, labels))
}

fn holds(expression: &Value, labels: &Value) -> bool {
    let label = &labels[expression["key"].as_str().unwrap_or_default()];
    let listed = expression["values"].as_array().is_some_and(|values| values.contains(label));
    match expression["operator"].as_str().unwrap_or_default() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => !label.is_null(),
        "DoesNotExist" => label.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let pod = json!({"metadata": {"labels": {"app": "a", "tier": "b"}}});
        let expression = |operator: &str, values: Value| json!({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "tier", "operator": operator, "values": values}]});
        assert!(matches(&expression("In", json!(["b"])), &pod));
        assert!(!matches(&expression("NotIn", json!(["b"])), &pod));
        assert!(matches(&expression("Exists", Value::Null), &pod));
        assert!(!matches(&json!({"matchLabels": {"app": "x"}}), &pod));
        assert!(!matches(&Value::Null, &pod));
    }
}
