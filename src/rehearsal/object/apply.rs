//! Server-side apply: an object is what its managers together asked for, and nobody takes a field unasked.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::fields::{FieldSet, Parts, Typed, element, join};
use super::managed::{Managed, Manager, Operation, manageable};
use super::status::{Cause, Status};
use super::{
    decode::{self, Place},
    schema,
};
use crate::rehearsal::resource::Resource;

pub use super::managed::track;

/// Where kubectl's client-side apply keeps what it was given.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Returns `current` with what `manager` applies to it, or to its `subresource` (empty for the object itself): its
/// fields are set, those it stopped applying are removed unless someone else has them. What changes nothing returns
/// `current` as it is.
///
/// # Errors
/// 409 when fields would get another value that other managers have set, unless `force`; 400 when `applied` carries
/// managed fields or lists that name an element twice.
pub fn server_side_apply(
    resource: &'static Resource,
    subresource: &str,
    current: Option<&Value>,
    applied: &Value,
    manager: &str,
    force: bool,
    now: Timestamp,
) -> Result<Value, Status> {
    check(resource, applied)?;
    let applied = &stored_form(resource, applied)?;
    let typed = Typed { resource };
    let manager = Manager::new(resource, manager, Operation::Apply, subresource);
    let wanted = typed.fields(&manageable(resource, applied, subresource));
    let Some(current) = current else {
        let mut created = applied.clone();
        let mut managed = Managed::default();
        managed.set(&manager, wanted, now);
        managed.write(&mut created);
        return Ok(created);
    };

    let mut managed = Managed::read(current);
    let had = managed.fields(&manager).cloned().unwrap_or_default();
    let mut merged = typed.merge(current, &writable(resource, applied, subresource), "");
    let kept = managed.others(&manager).fold(wanted.clone(), |kept, entry| kept.union(&entry.fields));
    typed.prune(&mut merged, &had.difference(&wanted), &kept, "");

    let comparison =
        typed.compare(&manageable(resource, current, subresource), &manageable(resource, &merged, subresource));
    if !force {
        let inherited = client_side_applied(resource, current, &manager);
        refuse_conflicts(&managed, &manager, &comparison.changed.difference(&inherited))?;
    }
    managed.take(&manager, &comparison.changed);
    managed.forget(&comparison.removed.difference(&wanted));
    managed.set(&manager, wanted, now);
    managed.write(&mut merged);
    Ok(merged)
}

fn check(resource: &Resource, applied: &Value) -> Result<(), Status> {
    let managed = applied.pointer("/metadata/managedFields").filter(|fields| !fields.is_null());
    if managed.is_some_and(|fields| fields.as_array().is_none_or(|entries| !entries.is_empty())) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    if !applied.is_object() || !applied.get("metadata").is_none_or(Value::is_object) {
        return Err(Status::bad_request("the object provided is not a map with metadata"));
    }
    match duplicate(resource, applied, "", "") {
        Some(why) => Err(untyped(resource, applied, &why)),
        None => Ok(()),
    }
}

/// Returns what is applied as it would be stored, so that it compares to what is. Here no field may be unknown.
fn stored_form(resource: &'static Resource, applied: &Value) -> Result<Value, Status> {
    let findings = (resource.inspect)(applied);
    let path = |place: &Place| field_path(resource, applied, &place.pointer);
    let undeclared = findings.unknown.iter().map(|place| format!("{}: field not declared in schema", path(place)));
    let mistyped = findings.mistyped.iter().map(|(place, wanted)| {
        format!("{}: {}", path(place), wrong_type(wanted, applied.pointer(&place.pointer).unwrap_or(&Value::Null)))
    });
    match &undeclared.chain(mistyped).collect::<Vec<_>>()[..] {
        [] => {}
        [only] => return Err(untyped(resource, applied, only)),
        many => return Err(untyped(resource, applied, &format!("errors:\n  {}", many.join("\n  ")))),
    }
    let mut stored = applied.clone();
    decode::normalize(&findings, &mut stored);
    Ok(stored)
}

/// Writes a place as server-side apply does: elements of keyed lists by their keys.
fn field_path(resource: &Resource, object: &Value, pointer: &str) -> String {
    let (mut value, mut path, mut shown) = (object, String::new(), String::new());
    for step in pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")) {
        let inner = if let Value::Array(list) = value {
            let item = step.parse().ok().and_then(|index: usize| list.get(index));
            let key = item.and_then(|item| element(item, schema::list_shape(resource, &path)));
            shown += &key.map_or_else(|| format!("[{step}]"), shown_key);
            item
        } else {
            shown = format!("{shown}.{step}");
            path = join(&path, &step);
            value.get(&step)
        };
        value = inner.unwrap_or(&Value::Null);
    }
    shown
}

/// Writes an element's key as `[name="web"]`.
fn shown_key(id: String) -> String {
    let mut set = FieldSet::default();
    set.children.insert(id, FieldSet { member: true, ..FieldSet::default() });
    set.paths().remove(0)
}

fn wrong_type(wanted: &str, found: &Value) -> String {
    let go = match found {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match wanted {
        "int32" | "int64" | "float64" => {
            let kind = match found {
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                Value::Array(_) => "[]interface {}",
                Value::Object(_) => "map[string]interface {}",
                Value::Null | Value::Number(_) => "float64",
            };
            format!("expected numeric (int or float), got {kind}")
        }
        "string" => format!("expected string, got &value.valueUnstructured{{Value:{found}}}"),
        "bool" => format!("expected boolean, got &value.valueUnstructured{{Value:{found}}}"),
        list if list.starts_with("[]") => format!("expected list, got {go}"),
        _ => format!("expected map, got {go}"),
    }
}

/// The refusal of a configuration that does not fit the type. The real server calls it a failure of its own.
fn untyped(resource: &Resource, applied: &Value, why: &str) -> Status {
    let metadata = |name: &str| super::read::text(applied, &format!("/metadata/{name}"));
    let (namespace, name) = (metadata("namespace"), metadata("name"));
    let what = format!("({namespace}/{name}; {}, Kind={})", resource.api_version(), resource.kind);
    let message = format!("failed to create typed patch object {what}: {why}");
    Status { code: 500, reason: "", message, details: Value::Null }
}

/// Finds a keyed list that names an element twice.
fn duplicate(resource: &Resource, value: &Value, path: &str, shown: &str) -> Option<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .find_map(|(name, value)| duplicate(resource, value, &join(path, name), &format!("{shown}.{name}"))),
        Value::Array(list) => {
            let shape = schema::list_shape(resource, path);
            let mut seen = Vec::new();
            for item in list {
                let Some(id) = element(item, shape) else { continue };
                let key = shown_key(id.clone());
                if seen.contains(&id) {
                    return Some(format!("{shown}: duplicate entries for key {key}"));
                }
                if let Some(found) = duplicate(resource, item, path, &format!("{shown}{key}")) {
                    return Some(found);
                }
                seen.push(id);
            }
            None
        }
        _ => None,
    }
}

/// Returns the part of an applied object that this subresource may write, with its identity.
fn writable(resource: &Resource, applied: &Value, subresource: &str) -> Value {
    let mut part = manageable(resource, applied, subresource);
    if let Some(part) = part.as_object_mut() {
        for name in ["apiVersion", "kind"] {
            part.extend(applied.get(name).map(|value| (name.to_owned(), value.clone())));
        }
    }
    part
}

/// Returns the fields that kubectl's server-side apply may take over from its client-side apply without a conflict:
/// those that the last-applied annotation sets and that nobody changed since. Other managers inherit none.
fn client_side_applied(resource: &'static Resource, current: &Value, manager: &Manager) -> FieldSet {
    let annotation = current["metadata"]["annotations"][LAST_APPLIED].as_str().filter(|_| manager.name == "kubectl");
    let last: Option<Value> = annotation.and_then(|text| serde_json::from_str(text).ok());
    let Some(last) = last.and_then(|last| stored_form(resource, &last).ok()) else { return FieldSet::default() };
    let (last, live) = (manageable(resource, &last, ""), manageable(resource, current, ""));
    let typed = Typed { resource };
    typed.fields(&last).difference(&typed.compare(&last, &live).changed)
}

fn refuse_conflicts(managed: &Managed, manager: &Manager, changed: &FieldSet) -> Result<(), Status> {
    let mut conflicts: Vec<(String, Vec<String>)> = managed
        .others(manager)
        .map(|entry| (entry.manager.describe(), changed.intersection(&entry.fields).paths()))
        .filter(|(_, paths)| !paths.is_empty())
        .collect();
    conflicts.sort();
    let cause = |who: &str, path: &String| Cause::new(path, "FieldManagerConflict", format!("conflict with {who}"));
    let causes: Vec<_> =
        conflicts.iter().flat_map(|(who, paths)| paths.iter().map(move |path| cause(who, path))).collect();
    let message = match &causes[..] {
        [] => return Ok(()),
        [only] => format!("Apply failed with 1 conflict: {}: {}", only.message, only.field),
        many => {
            let lines: Vec<_> = conflicts
                .iter()
                .map(|(who, paths)| format!("conflicts with {who}:\n- {}", paths.join("\n- ")))
                .collect();
            format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    Err(Status::apply_conflict(message, &causes))
}

impl Typed {
    /// Returns `current` with `applied` merged in; the applied order of list elements wins.
    fn merge(self, current: &Value, applied: &Value, path: &str) -> Value {
        match (self.split(current, path), self.split(applied, path)) {
            (Parts::Map(current), Parts::Map(applied)) => {
                let mut merged = current.clone();
                for (name, wanted) in applied {
                    let empty = !current.contains_key(name) && wanted.as_array().is_some_and(Vec::is_empty);
                    if wanted.is_null() || empty {
                        continue;
                    }
                    let value = match current.get(name) {
                        Some(current) => self.merge(current, wanted, &join(path, name)),
                        None => wanted.clone(),
                    };
                    merged.insert(name.clone(), value);
                }
                Value::Object(merged)
            }
            (Parts::Elements(have), Parts::Elements(wanted)) => {
                let shape = schema::list_shape(self.resource, path);
                let order = |list: &Value| -> Vec<String> {
                    list.as_array().into_iter().flatten().filter_map(|item| element(item, shape)).collect()
                };
                let (have_order, wanted_order) = (order(current), order(applied));
                let places = interleave(&have_order, &wanted_order);
                places
                    .iter()
                    .map(|id| match (have.get(*id), wanted.get(*id)) {
                        (Some(have), Some(wanted)) => self.merge(have, wanted, path),
                        (Some(only), None) | (None, Some(only)) => (*only).clone(),
                        (None, None) => Value::Null,
                    })
                    .collect()
            }
            _ => applied.clone(),
        }
    }

    /// Removes `dropped` fields from `value`, except those in `kept`. What is left empty goes too.
    fn prune(self, value: &mut Value, dropped: &FieldSet, kept: &FieldSet, path: &str) {
        match value {
            Value::Object(map) => {
                for (id, below) in &dropped.children {
                    let Some(name) = id.strip_prefix("f:") else { continue };
                    let Some(child) = map.get_mut(name) else { continue };
                    let owned = kept.children.get(id).cloned().unwrap_or_default();
                    if self.prune_child(child, below, &owned, &join(path, name)) {
                        map.remove(name);
                    }
                }
            }
            Value::Array(list) => {
                let shape = schema::list_shape(self.resource, path);
                list.retain_mut(|item| {
                    let id = element(item, shape).unwrap_or_default();
                    let Some(below) = dropped.children.get(&id) else { return true };
                    let owned = kept.children.get(&id).cloned().unwrap_or_default();
                    !self.prune_child(item, below, &owned, path)
                });
            }
            _ => {}
        }
    }

    /// Prunes below a child and tells whether the child itself is to go.
    fn prune_child(self, child: &mut Value, dropped: &FieldSet, kept: &FieldSet, path: &str) -> bool {
        if dropped.member && kept.is_empty() {
            return true;
        }
        let had_children = !is_blank(child);
        self.prune(child, dropped, kept, path);
        kept.is_empty() && had_children && is_blank(child)
    }
}

fn is_blank(value: &Value) -> bool {
    value.as_object().map(Map::is_empty).or(value.as_array().map(Vec::is_empty)).unwrap_or(false)
}

/// Merges two orders: the wanted one holds, and what only `have` names stays where it is met.
fn interleave<'a>(have: &'a [String], wanted: &'a [String]) -> Vec<&'a String> {
    let mut order = Vec::with_capacity(have.len() + wanted.len());
    let (mut have, mut rest) = (have.iter().peekable(), wanted.iter());
    loop {
        while let Some(id) = have.next_if(|id| !wanted.contains(id) || order.contains(id)) {
            if !wanted.contains(id) {
                order.push(id);
            }
        }
        let Some(id) = rest.next() else { return order };
        order.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::object::{patch, strategic};
    use crate::rehearsal::resource::of;
    use proptest::prelude::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn apply(current: Option<&Value>, applied: &Value, manager: &str) -> Result<Value, Status> {
        server_side_apply(of("Deployment"), "", current, applied, manager, false, at(5))
    }

    fn web(replicas: i64, image: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": [
            {"name": "web", "image": image, "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]},
        ]}}}})
    }

    #[test]
    fn applying_again_changes_no_byte() {
        let first = apply(None, &web(1, "a"), "m").unwrap();
        let again = server_side_apply(of("Deployment"), "", Some(&first), &web(1, "a"), "m", false, at(99)).unwrap();
        assert_eq!(again.to_string(), first.to_string());
    }

    #[test]
    fn defaults_that_the_server_added_stay() {
        let mut first = apply(None, &web(1, "a"), "m").unwrap();
        first["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = json!("TCP");
        first["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
        assert_eq!(apply(Some(&first), &web(1, "a"), "m").unwrap(), first);
    }

    #[test]
    fn what_is_no_longer_applied_goes() {
        let first = apply(None, &web(1, "a"), "m").unwrap();
        let mut less = web(1, "a");
        less["spec"].as_object_mut().unwrap().remove("replicas");
        less["metadata"].as_object_mut().unwrap().remove("labels");
        less["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
        let second = apply(Some(&first), &less, "m").unwrap();
        assert_eq!(second["spec"].get("replicas"), None);
        assert_eq!(second["metadata"].get("labels"), None);
        assert_eq!(second["spec"]["template"]["spec"]["containers"][0].get("env"), None);
        assert_eq!(apply(Some(&second), &less, "m").unwrap(), second);
    }

    #[test]
    fn what_another_manager_has_stays() {
        let first = apply(None, &web(1, "a"), "m").unwrap();
        let other = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 1}});
        let shared = apply(Some(&first), &other, "n").unwrap();
        let mut less = web(1, "a");
        less["spec"].as_object_mut().unwrap().remove("replicas");
        let second = apply(Some(&shared), &less, "m").unwrap();
        assert_eq!(second["spec"]["replicas"], 1);
        let gone = apply(Some(&second), &json!({"metadata": {"name": "web"}}), "n").unwrap();
        assert_eq!(gone["spec"].get("replicas"), None);
    }

    #[test]
    fn a_conflict_names_manager_and_fields() {
        let mut live = web(1, "a");
        track(of("Deployment"), None, &mut live, "kubectl-client-side-apply", "Update", None, at(0));
        let one = apply(Some(&live), &web(2, "a"), "kubectl").unwrap_err();
        assert_eq!(
            one.message,
            "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: .spec.replicas"
        );
        assert_eq!(one.details["causes"][0]["reason"], "FieldManagerConflict");
        let two = apply(Some(&live), &web(2, "b"), "kubectl").unwrap_err();
        assert_eq!(
            two.message,
            "Apply failed with 2 conflicts: conflicts with \"kubectl-client-side-apply\" using apps/v1:\n- .spec.replicas\n\
             - .spec.template.spec.containers[name=\"web\"].image"
        );
        let forced =
            server_side_apply(of("Deployment"), "", Some(&live), &web(2, "b"), "kubectl", true, at(5)).unwrap();
        assert_eq!(forced["spec"]["replicas"], 2);
        assert_eq!(apply(Some(&forced), &web(2, "b"), "kubectl").unwrap(), forced);
    }

    #[test]
    fn list_elements_come_and_go_by_their_key() {
        let first = apply(None, &web(1, "a"), "m").unwrap();
        let sidecar = json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s"}]}}}});
        let two = apply(Some(&first), &sidecar, "n").unwrap();
        let names = |value: &Value| -> Vec<String> {
            let list = value["spec"]["template"]["spec"]["containers"].as_array().unwrap();
            list.iter().map(|container| container["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&two), ["web", "side"]);
        let one = apply(Some(&two), &json!({"metadata": {"name": "web"}}), "n").unwrap();
        assert_eq!(names(&one), ["web"]);
        assert_eq!(one, first);
    }

    #[test]
    fn the_kubectl_migration_takes_over_the_client_side_fields() {
        let mut live = web(1, "a");
        track(of("Deployment"), None, &mut live, "kubectl-client-side-apply", "Update", None, at(0));
        // kubectl rewrites the entries itself: the client-side manager becomes its Apply manager.
        let mut entries = live["metadata"]["managedFields"].clone();
        entries[0]["manager"] = json!("kubectl");
        entries[0]["operation"] = json!("Apply");
        let migration = json!([{"op": "replace", "path": "/metadata/managedFields", "value": entries}]);
        let mut migrated = patch::json_patch(of("Deployment"), &live, &migration).unwrap();
        track(of("Deployment"), Some(&live), &mut migrated, "kubectl", "Update", None, at(1));
        assert_eq!(Managed::read(&migrated).entries[0].manager.operation, Operation::Apply);
        let applied = apply(Some(&migrated), &web(3, "b"), "kubectl").unwrap();
        assert_eq!(applied["spec"]["replicas"], 3);
    }

    #[test]
    fn what_does_not_fit_the_type_is_refused() {
        let mut twice = web(1, "a");
        twice["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "A"}, {"name": "A"}]);
        let refusal = apply(None, &twice, "m").unwrap_err();
        let mut unknown = web(1, "a");
        unknown["spec"]["replica"] = json!(1);
        let refusal_of_unknown = apply(None, &unknown, "m").unwrap_err();
        assert!(refusal_of_unknown.message.ends_with("Kind=Deployment): .spec.replica: field not declared in schema"));
        let end = ".spec.template.spec.containers[name=\"web\"].env: duplicate entries for key [name=\"A\"]";
        assert!(refusal.message.ends_with(end), "{refusal}");
    }

    #[test]
    fn the_applied_order_wins() {
        let ids = |text: &str| -> Vec<String> { text.chars().map(String::from).collect() };
        let joined = |have, wanted| interleave(&ids(have), &ids(wanted)).into_iter().cloned().collect::<String>();
        assert_eq!(joined("abc", "ca"), "cab");
        assert_eq!(joined("ab", "xb"), "axb");
        assert_eq!(joined("", "xy"), "xy");
    }

    proptest! {
        #[test]
        fn any_apply_is_idempotent(current in strategic::tests::any_json(), applied in strategic::tests::any_json()) {
            prop_assume!(current.is_object());
            let apply = |current: &Value| server_side_apply(of("Pod"), "", Some(current), &applied, "m", true, at(1));
            if let Ok(once) = apply(&current) {
                prop_assert_eq!(apply(&once).unwrap(), once);
            }
        }

        #[test]
        fn tracking_never_panics(before in strategic::tests::any_json(), mut after in strategic::tests::any_json()) {
            track(of("Pod"), Some(&before), &mut after, "m", "Update", None, at(1));
        }
    }
}
