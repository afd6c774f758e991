//! Strategic merge patch: a merge patch that knows how lists of the served types merge, with its directives.

use serde_json::{Map, Value};

use super::schema::{self, Merge};
use super::status::Status;
use crate::rehearsal::resource::Resource;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";

type Object = Map<String, Value>;

/// Returns `current` with `patch` merged in as the types of `resource` ask for.
///
/// # Errors
/// 400 when `patch` is not a map, or one of its directives or list elements makes no sense.
pub fn strategic_merge(resource: &'static Resource, current: &Value, patch: &Value) -> Result<Value, Status> {
    let (Some(current), Some(patch)) = (current.as_object(), patch.as_object()) else {
        return Err(Status::bad_request("error decoding patch: a strategic merge patch of an object is a map"));
    };
    Ok(Value::Object(Merger { resource }.maps(current.clone(), patch, "")?))
}

struct Merger {
    resource: &'static Resource,
}

impl Merger {
    fn maps(&self, mut current: Object, patch: &Object, path: &str) -> Result<Object, Status> {
        match patch.get(DIRECTIVE).map(directive).transpose()? {
            Some("delete") => return Ok(Object::new()),
            Some("replace") => return Ok(plain_map(patch)),
            _ => {}
        }
        if let Some(keys) = patch.get(RETAIN_KEYS) {
            retain(&mut current, keys, patch)?;
        }
        for (name, wanted) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
            if wanted.is_null() {
                current.remove(name);
                continue;
            }
            let merged = self.value(current.remove(name), wanted, &below(path, name))?;
            current.insert(name.clone(), merged);
        }
        for (name, listed) in patch {
            if let Some(field) = name.strip_prefix(DELETE_FROM_LIST) {
                delete_scalars(&mut current, field, listed, patch)?;
            }
        }
        for (name, order) in patch {
            if let Some(field) = name.strip_prefix(ELEMENT_ORDER) {
                self.reorder(&mut current, field, order, &below(path, field))?;
            }
        }
        Ok(current)
    }

    fn value(&self, current: Option<Value>, patch: &Value, path: &str) -> Result<Value, Status> {
        let merge = schema::merge(self.resource, path);
        Ok(match (current, patch) {
            (_, Value::Object(patch)) if merge == Merge::Replace => Value::Object(plain_map(patch)),
            (Some(Value::Object(current)), Value::Object(patch)) => Value::Object(self.maps(current, patch, path)?),
            (_, Value::Object(patch)) => Value::Object(self.maps(Object::new(), patch, path)?),
            (current, Value::Array(patch)) => {
                let current = match current {
                    Some(Value::Array(list)) => list,
                    _ => Vec::new(),
                };
                Value::Array(self.lists(current, patch, path, merge)?)
            }
            (_, scalar) => scalar.clone(),
        })
    }

    fn lists(&self, current: Vec<Value>, patch: &[Value], path: &str, merge: Merge) -> Result<Vec<Value>, Status> {
        match merge {
            Merge::By(key) => self.keyed(current, patch, path, key),
            Merge::Union => {
                let fresh: Vec<_> = patch.iter().filter(|item| !current.contains(item)).cloned().collect();
                Ok([current, fresh].concat())
            }
            Merge::Default | Merge::Replace => Ok(patch.iter().map(plain).collect()),
        }
    }

    fn keyed(&self, mut current: Vec<Value>, patch: &[Value], path: &str, key: &str) -> Result<Vec<Value>, Status> {
        let is = |item: &Value, wanted: &str| item.get(DIRECTIVE).and_then(Value::as_str) == Some(wanted);
        if patch.iter().any(|item| is(item, "replace")) {
            return Ok(patch.iter().filter(|item| !is(item, "replace")).map(plain).collect());
        }
        let before = current.clone();
        let mut named = Vec::new();
        for item in patch {
            let wanted = item.as_object().ok_or_else(|| not_a_map(path))?;
            let id = wanted.get(key).ok_or_else(|| no_key(item, key))?;
            if is(item, "delete") {
                current.retain(|have| have.get(key) != Some(id));
                continue;
            }
            if let Some(unknown) = item.get(DIRECTIVE).map(directive).transpose()?.filter(|word| *word != "merge") {
                return Err(bad_directive(unknown));
            }
            named.push(id.clone());
            match current.iter_mut().find(|have| have.get(key) == Some(id)) {
                Some(Value::Object(have)) => *have = self.maps(std::mem::take(have), wanted, path)?,
                _ => current.push(Value::Object(self.maps(Object::new(), wanted, path)?)),
            }
        }
        Ok(ordered(current, &named, &before, Some(key)))
    }

    fn reorder(&self, current: &mut Object, field: &str, order: &Value, path: &str) -> Result<(), Status> {
        let order = order.as_array().ok_or_else(|| not_a_list(&format!("{ELEMENT_ORDER}{field}")))?;
        let Some(Value::Array(items)) = current.get_mut(field) else { return Ok(()) };
        let before = items.clone();
        match schema::merge(self.resource, path) {
            Merge::By(key) => {
                let ids: Vec<_> = order.iter().filter_map(|item| item.get(key)).cloned().collect();
                *items = ordered(std::mem::take(items), &ids, &before, Some(key));
            }
            _ => *items = ordered(std::mem::take(items), order, &before, None),
        }
        Ok(())
    }
}

/// Puts the items named by `order` in that order, and the others where they stood among them in `before`. Items are
/// named by their `key`, or by themselves.
fn ordered(items: Vec<Value>, order: &[Value], before: &[Value], key: Option<&str>) -> Vec<Value> {
    let place = |item: &Value| before.iter().position(|have| id(have, key) == id(item, key));
    let rank = |item: &Value| id(item, key).and_then(|id| order.iter().position(|wanted| wanted == id));
    let (mut listed, others): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| rank(item).is_some());
    listed.sort_by_key(rank);
    let mut result = Vec::with_capacity(listed.len() + others.len());
    let mut others = others.into_iter().peekable();
    for item in listed {
        let mine = place(&item);
        while let Some(other) = others.peek() {
            let theirs = place(other);
            if !matches!((theirs, mine), (Some(theirs), Some(mine)) if theirs < mine) {
                break;
            }
            result.extend(others.next());
        }
        result.push(item);
    }
    result.extend(others);
    result
}

fn id<'a>(item: &'a Value, key: Option<&str>) -> Option<&'a Value> {
    key.map_or(Some(item), |key| item.get(key))
}

fn retain(current: &mut Object, keys: &Value, patch: &Object) -> Result<(), Status> {
    let keys = keys.as_array().ok_or_else(|| not_a_list(RETAIN_KEYS))?;
    let kept = |name: &str| keys.iter().any(|key| key.as_str() == Some(name));
    let stray = patch.iter().find(|(name, value)| !name.starts_with('$') && !value.is_null() && !kept(name));
    if let Some((name, _)) = stray {
        return Err(Status::bad_request(format!(
            "{RETAIN_KEYS} list must contain all fields present in the patch: {name}"
        )));
    }
    current.retain(|name, _| kept(name));
    Ok(())
}

fn delete_scalars(current: &mut Object, field: &str, listed: &Value, patch: &Object) -> Result<(), Status> {
    let listed = listed.as_array().ok_or_else(|| not_a_list(&format!("{DELETE_FROM_LIST}{field}")))?;
    let added = patch.get(field).and_then(Value::as_array);
    if let Some(Value::Array(items)) = current.get_mut(field) {
        items.retain(|item| !listed.contains(item) || added.is_some_and(|added| added.contains(item)));
    }
    Ok(())
}

/// Returns a copy without directives and without the nulls that remove.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(plain_map(map)),
        other => other.clone(),
    }
}

fn plain_map(map: &Object) -> Object {
    let kept = map.iter().filter(|(name, value)| !is_directive(name) && !value.is_null());
    kept.map(|(name, value)| (name.clone(), plain(value))).collect()
}

fn is_directive(name: &str) -> bool {
    name == DIRECTIVE || name == RETAIN_KEYS || name.starts_with(DELETE_FROM_LIST) || name.starts_with(ELEMENT_ORDER)
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

fn directive(value: &Value) -> Result<&str, Status> {
    match value.as_str() {
        Some(word @ ("delete" | "replace" | "merge")) => Ok(word),
        _ => Err(bad_directive(&value.to_string())),
    }
}

fn bad_directive(word: &str) -> Status {
    Status::bad_request(format!("unknown patch type found: {word}; {DIRECTIVE} is one of delete, merge, replace"))
}

fn no_key(item: &Value, key: &str) -> Status {
    Status::bad_request(format!("map: {item} does not contain declared merge key: {key}"))
}

fn not_a_map(path: &str) -> Status {
    Status::bad_request(format!("elements of {path} must be maps"))
}

fn not_a_list(field: &str) -> Status {
    Status::bad_request(format!("{field} must be a list"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rehearsal::resource::of;
    use proptest::prelude::*;
    use serde_json::json;

    fn pod(spec: Value) -> Value {
        json!({"metadata": {"name": "x"}, "spec": spec})
    }

    #[track_caller]
    fn case(current: Value, patch: Value, expected: Value) {
        assert_eq!(strategic_merge(of("Pod"), &pod(current), &json!({"spec": patch})).unwrap(), pod(expected));
    }

    #[test]
    fn keyed_lists_merge_by_their_key() {
        case(
            json!({"containers": [{"name": "a", "image": "a:1", "env": [{"name": "K", "value": "1"}]}, {"name": "b"}]}),
            json!({"containers": [{"name": "a", "image": "a:2", "env": [{"name": "L", "value": "2"}]}]}),
            json!({"containers": [
                {"name": "a", "image": "a:2", "env": [{"name": "L", "value": "2"}, {"name": "K", "value": "1"}]},
                {"name": "b"},
            ]}),
        );
        case(
            json!({"tolerations": [{"key": "a"}]}),
            json!({"tolerations": [{"key": "b"}]}),
            json!({"tolerations": [{"key": "b"}]}),
        );
    }

    #[test]
    fn directives_delete_replace_and_order() {
        let two = json!({"containers": [{"name": "a"}, {"name": "b"}]});
        case(
            two.clone(),
            json!({"containers": [{"name": "a", "$patch": "delete"}]}),
            json!({"containers": [{"name": "b"}]}),
        );
        case(
            two.clone(),
            json!({"containers": [{"name": "c"}, {"$patch": "replace"}]}),
            json!({"containers": [{"name": "c"}]}),
        );
        case(
            two.clone(),
            json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b", "image": "i"}]}),
            json!({"containers": [{"name": "b", "image": "i"}, {"name": "a"}]}),
        );
        case(
            json!({"nodeSelector": {"a": "1"}}),
            json!({"nodeSelector": {"$patch": "replace", "b": "2"}}),
            json!({"nodeSelector": {"b": "2"}}),
        );
        case(two, json!({"containers": null}), json!({}));
    }

    #[test]
    fn retained_keys_drop_the_others() {
        let current = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        let merged = strategic_merge(of("Deployment"), &current, &patch).unwrap();
        assert_eq!(merged, json!({"spec": {"strategy": {"type": "Recreate"}}}));
        let stray = json!({"spec": {"strategy": {"$retainKeys": [], "type": "Recreate"}}});
        assert_eq!(strategic_merge(of("Deployment"), &current, &stray).unwrap_err().code, 400);
    }

    #[test]
    fn finalizers_are_a_union() {
        let current = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c", "b"],
            "$setElementOrder/finalizers": ["c", "b"]}});
        let merged = strategic_merge(of("Pod"), &current, &patch).unwrap();
        assert_eq!(merged, json!({"metadata": {"finalizers": ["c", "b"]}}));
    }

    #[test]
    fn an_element_without_its_key_is_refused() {
        let refusal = strategic_merge(of("Pod"), &pod(json!({})), &json!({"spec": {"containers": [{"image": "x"}]}}));
        assert!(refusal.unwrap_err().message.contains("does not contain declared merge key: name"));
    }

    pub fn any_json() -> impl Strategy<Value = Value> {
        let name = prop_oneof![
            Just("spec"),
            Just("metadata"),
            Just("containers"),
            Just("name"),
            Just("env"),
            Just("finalizers"),
            Just("template"),
            Just("$patch"),
            Just("$retainKeys"),
            Just("$setElementOrder/containers"),
            Just("$deleteFromPrimitiveList/finalizers"),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3i64..3).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
            Just(Value::from("delete")),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..5).prop_map(|fields| fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_empty_patch_is_the_identity(current in any_json()) {
            prop_assume!(current.is_object());
            prop_assert_eq!(strategic_merge(of("Pod"), &current, &json!({})).unwrap(), current);
        }

        #[test]
        fn no_patch_panics(current in any_json(), patch in any_json()) {
            let _ = strategic_merge(of("Pod"), &current, &patch);
            let _ = super::super::patch::json_patch(of("Pod"), &current, &patch);
            let _ = super::super::patch::merge_patch(of("Pod"), &current, &patch);
        }

        #[test]
        fn a_merge_patch_twice_is_once(current in any_json(), patch in any_json()) {
            prop_assume!(patch.is_object());
            let once = super::super::patch::merge_patch(of("Pod"), &current, &patch).unwrap();
            prop_assert_eq!(super::super::patch::merge_patch(of("Pod"), &once, &patch).unwrap(), once);
        }
    }
}
