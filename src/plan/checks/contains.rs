//! Whether an answer has in it what it must have.

use serde_json::Value;

/// Says where `seen` lacks something of `wanted`: objects may have more keys, lists more elements, in any order.
///
/// # Errors
/// The first place that differs, and how.
pub fn contains(seen: &Value, wanted: &Value) -> Result<(), String> {
    at("", seen, wanted)
}

fn at(place: &str, seen: &Value, wanted: &Value) -> Result<(), String> {
    match (seen, wanted) {
        (Value::Object(seen), Value::Object(wanted)) => wanted.iter().try_for_each(|(key, wanted)| {
            let place = format!("{place}/{key}");
            seen.get(key).map_or_else(|| Err(format!("it has no {place}")), |seen| at(&place, seen, wanted))
        }),
        (Value::Array(seen), Value::Array(wanted)) => {
            let has = |wanted: &&Value| !seen.iter().any(|seen| at(place, seen, wanted).is_ok());
            let missing = wanted.iter().find(has);
            missing.map_or(Ok(()), |missing| Err(format!("{} has no element like {missing}", named(place))))
        }
        (seen, wanted) if same(seen, wanted) => Ok(()),
        (seen, wanted) => Err(format!("{} is {}, not {wanted}", named(place), short(seen))),
    }
}

/// 250 and 250.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    a == b || matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if a.total_cmp(&b).is_eq())
}

fn named(place: &str) -> &str {
    if place.is_empty() { "it" } else { place }
}

fn short(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".into(),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn case(seen: Value, wanted: Value, expected: Result<(), &str>) {
        assert_eq!(contains(&seen, &wanted), expected.map_err(str::to_owned));
    }

    #[test]
    fn more_is_fine_and_less_is_told() {
        case(json!({"id": 1, "title": "x"}), json!({"title": "x"}), Ok(()));
        case(json!([{"id": 1}, {"id": 2, "a": 0}]), json!([{"id": 2}]), Ok(()));
        case(json!({"sum": 250.0}), json!({"sum": 250}), Ok(()));
        case(json!([]), json!([]), Ok(()));
        case(json!({"a": {"b": 1}}), json!({"a": {"b": 2}}), Err("/a/b is 1, not 2"));
        case(json!({"a": 1}), json!({"b": 2}), Err("it has no /b"));
        case(json!([1]), json!([2]), Err("it has no element like 2"));
        case(json!({"a": [1, 2]}), json!({"a": 1}), Err("/a is a list of 2, not 1"));
    }
}
