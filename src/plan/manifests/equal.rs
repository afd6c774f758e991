//! Whether a live object already is what a manifest asks for.

use serde_json::{Map, Value};

use super::quantity;

/// Returns whether every field of `wanted` is in `live` with an equal value. Fields that only `live` has do not matter:
/// defaults, status, other people's fields. When in doubt the answer is `false`, which costs one request.
///
/// Lists must have the same length and order. Null, empty lists and empty mappings equal absence. Quantities
/// (below `spec` only) are compared by value.
pub fn contains(live: &Value, wanted: &Value) -> bool {
    field(live, wanted, Place::Top)
}

/// Where in the object a value is, as far as it matters for quantities.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Top,
    Spec,
    Quantities,
    Elsewhere,
}

impl Place {
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Top, "spec") => Self::Spec,
            (Self::Top, _) => Self::Elsewhere,
            (Self::Spec, "limits" | "requests" | "capacity" | "hard" | "sizeLimit" | "averageValue") => {
                Self::Quantities
            }
            (place, _) => place,
        }
    }
}

fn field(live: &Value, wanted: &Value, place: Place) -> bool {
    match (live, wanted) {
        (_, wanted) if is_absent(wanted) => is_absent(live),
        (Value::Object(live), Value::Object(wanted)) => mapping(live, wanted, place),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| field(live, wanted, place))
        }
        (Value::Number(live), Value::Number(wanted)) => live == wanted || live.as_f64() == wanted.as_f64(),
        _ => live == wanted || (place == Place::Quantities && same_quantity(live, wanted)),
    }
}

fn mapping(live: &Map<String, Value>, wanted: &Map<String, Value>, place: Place) -> bool {
    wanted.iter().all(|(key, value)| field(live.get(key).unwrap_or(&Value::Null), value, place.below(key)))
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// The API server turns `1000m` and the number `1` into `"1"`.
fn same_quantity(live: &Value, wanted: &Value) -> bool {
    let milli = |value: &Value| match value {
        Value::String(text) => quantity::milli(text),
        Value::Number(number) => quantity::milli(&number.to_string()),
        _ => None,
    };
    milli(live).is_some_and(|live| milli(wanted) == Some(live))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn case(live: Value, wanted: Value, expected: bool) {
        assert_eq!(contains(&live, &wanted), expected, "{live} / {wanted}");
    }

    #[test]
    fn fields_that_only_the_cluster_has_do_not_matter() {
        case(json!({"spec": {"a": 1, "b": 2}, "status": {}}), json!({"spec": {"a": 1}}), true);
        case(
            json!({"spec": {"ports": [{"port": 1, "protocol": "TCP"}]}}),
            json!({"spec": {"ports": [{"port": 1}]}}),
            true,
        );
        case(json!({"spec": {"a": 1}}), json!({"spec": {"a": 1, "b": 2}}), false);
    }

    #[test]
    fn lists_have_length_and_order() {
        case(json!({"spec": {"l": [1, 2]}}), json!({"spec": {"l": [1]}}), false);
        case(json!({"spec": {"l": [1, 2]}}), json!({"spec": {"l": [2, 1]}}), false);
    }

    #[test]
    fn nothing_equals_empty_but_an_empty_wish_does_not_equal_something() {
        case(json!({"spec": {}}), json!({"spec": {"a": null, "b": [], "c": {}}}), true);
        case(json!({"spec": {"a": 1}}), json!({"spec": {"a": null}}), false);
        case(json!({"spec": {"podSelector": {"x": 1}}}), json!({"spec": {"podSelector": {}}}), false);
        case(json!({"spec": {}}), json!({"spec": {"hostNetwork": false}}), false);
    }

    #[test]
    fn quantities_are_compared_by_value_where_they_are_quantities() {
        let spec = |value: Value| json!({"spec": {"resources": {"limits": {"cpu": value}}}});
        case(spec(json!("1")), spec(json!("1000m")), true);
        case(spec(json!("1")), spec(json!(1)), true);
        case(spec(json!("1")), spec(json!("2")), false);
        case(json!({"data": {"limits": "1"}}), json!({"data": {"limits": "1000m"}}), false);
        case(json!({"spec": {"port": "80"}}), json!({"spec": {"port": 80}}), false);
    }
}
