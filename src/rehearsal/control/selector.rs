//! Label selectors, as workloads, budgets and node affinities write them.

use std::collections::BTreeMap;

use serde_json::Value;

type Labels = BTreeMap<String, String>;

/// Returns whether a `LabelSelector` matches. An empty selector matches everything, an absent one nothing.
pub fn matches(selector: &Value, labels: &Labels) -> bool {
    if !selector.is_object() {
        return false;
    }
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    (selector["matchLabels"].is_null() || is_subset(&selector["matchLabels"], labels))
        && expressions.into_iter().all(|expression| requirement(expression, labels))
}

/// Returns whether every label of a map, such as a Service's selector, is there.
pub fn is_subset(wanted: &Value, labels: &Labels) -> bool {
    wanted
        .as_object()
        .is_none_or(|wanted| wanted.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str()))
}

/// Returns whether one requirement (`key`, `operator`, `values`) holds.
pub fn requirement(requirement: &Value, labels: &Labels) -> bool {
    let value = labels.get(requirement["key"].as_str().unwrap_or_default());
    let values = || requirement["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let compare = |holds: fn(i64, i64) -> bool| {
        let bound = values().next().and_then(|bound| bound.parse().ok());
        let number = value.and_then(|value| value.parse().ok());
        number.zip(bound).is_some_and(|(number, bound)| holds(number, bound))
    };
    match requirement["operator"].as_str().unwrap_or_default() {
        "In" => value.is_some_and(|value| values().any(|one| one == value)),
        "NotIn" => value.is_none_or(|value| values().all(|one| one != value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compare(|number, bound| number > bound),
        "Lt" => compare(|number, bound| number < bound),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let labels = Labels::from([("app".into(), "shop".into()), ("tier".into(), "3".into())]);
        let case = |selector: Value| matches(&selector, &labels);
        assert!(case(json!({})));
        assert!(case(json!({"matchLabels": {"app": "shop"}})));
        assert!(!case(json!({"matchLabels": {"app": "shop", "x": "y"}})));
        assert!(case(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "shop"]}]})));
        assert!(case(json!({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["a"]}]})));
        assert!(case(json!({"matchExpressions": [{"key": "tier", "operator": "Gt", "values": ["2"]}]})));
        assert!(!case(json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]})));
        assert!(!matches(&Value::Null, &labels));
    }
}
