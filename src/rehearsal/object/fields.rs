//! Sets of fields, in the notation of managed fields (`fieldsV1`): which fields an object has, and which differ.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::schema::{self, Shape};
use crate::rehearsal::resource::Resource;

/// Fields below one field: names as `f:name`, list elements as `k:{..}` or `v:..`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// The field itself is in the set, not only some below it.
    pub member: bool,
    pub children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    fn leaf() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    /// Tells whether no field is in the set.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    fn put(&mut self, element: String, below: FieldSet) {
        if !below.is_empty() {
            self.children.insert(element, below);
        }
    }

    /// Reads `fieldsV1`; what is not in its notation is ignored.
    pub fn parse(value: &Value) -> Self {
        let mut set = Self::default();
        for (element, below) in value.as_object().into_iter().flatten() {
            if element == "." {
                set.member = true;
                continue;
            }
            let mut child = Self::parse(below);
            child.member |= child.children.is_empty();
            set.children.insert(element.clone(), child);
        }
        set
    }

    /// Writes `fieldsV1`.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        map.extend(self.children.iter().map(|(element, below)| (element.clone(), below.to_value())));
        Value::Object(map)
    }

    /// Returns the fields in either set.
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.member |= other.member;
        for (element, below) in &other.children {
            let merged = all.children.get(element).map_or_else(|| below.clone(), |mine| mine.union(below));
            all.children.insert(element.clone(), merged);
        }
        all
    }

    /// Returns the fields in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { member: self.member && other.member, ..Self::default() };
        for (element, below) in &self.children {
            if let Some(theirs) = other.children.get(element) {
                both.put(element.clone(), below.intersection(theirs));
            }
        }
        both
    }

    /// Returns the fields of this set that `other` does not have.
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Self { member: self.member && !other.member, ..Self::default() };
        for (element, below) in &self.children {
            let left = other.children.get(element).map_or_else(|| below.clone(), |theirs| below.difference(theirs));
            rest.put(element.clone(), left);
        }
        rest
    }

    /// Returns the paths of all fields, written as `.spec.containers[name="web"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(prefix.to_owned());
        }
        for (element, below) in &self.children {
            below.collect(&format!("{prefix}{}", display(element)), paths);
        }
    }
}

fn display(element: &str) -> String {
    if let Some(name) = element.strip_prefix("f:") {
        return format!(".{name}");
    }
    if let Some(value) = element.strip_prefix("v:") {
        return format!("[={value}]");
    }
    let keys: Map<String, Value> =
        element.strip_prefix("k:").and_then(|keys| serde_json::from_str(keys).ok()).unwrap_or_default();
    let keys: Vec<_> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("[{}]", keys.join(","))
}

/// Which fields changed from one version of an object to another.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Added or with another value.
    pub changed: FieldSet,
    pub removed: FieldSet,
}

/// Knows how the fields of one resource are told apart.
#[derive(Clone, Copy)]
pub struct Typed {
    pub resource: &'static Resource,
}

impl Typed {
    /// Returns all fields that `value` sets.
    pub fn fields(self, value: &Value) -> FieldSet {
        self.below(value, "")
    }

    fn below(self, value: &Value, path: &str) -> FieldSet {
        let mut set = FieldSet::default();
        match self.split(value, path) {
            Parts::Whole => set.member = true,
            Parts::Map(map) => {
                for (name, value) in map {
                    let mut below = self.below(value, &join(path, name));
                    below.member |= value.is_null() || value.as_object().is_some_and(Map::is_empty);
                    set.put(format!("f:{name}"), below);
                }
            }
            Parts::Elements(elements) => {
                for (element, value) in elements {
                    let mut below = if element.starts_with("v:") { FieldSet::leaf() } else { self.below(value, path) };
                    below.member = true;
                    set.put(element, below);
                }
            }
        }
        set
    }

    /// Compares two versions of a value. A field that is there in only one of them counts with all below it.
    pub fn compare(self, before: &Value, after: &Value) -> Comparison {
        let mut comparison = Comparison::default();
        self.compare_at(Some(before), Some(after), "", &mut comparison);
        comparison
    }

    fn compare_at(self, before: Option<&Value>, after: Option<&Value>, path: &str, into: &mut Comparison) {
        let (before, after) = (before.filter(|value| !value.is_null()), after.filter(|value| !value.is_null()));
        match (before, after) {
            (None, None) => {}
            (Some(before), Some(after)) if before == after => {}
            (None, Some(after)) => into.changed = self.whole(after, path),
            (Some(before), None) => into.removed = self.whole(before, path),
            (Some(before), Some(after)) => match (self.split(before, path), self.split(after, path)) {
                (Parts::Map(before), Parts::Map(after)) => {
                    let added = after.keys().filter(|name| !before.contains_key(*name));
                    for name in before.keys().chain(added) {
                        let mut below = Comparison::default();
                        self.compare_at(before.get(name), after.get(name), &join(path, name), &mut below);
                        into.changed.put(format!("f:{name}"), below.changed);
                        into.removed.put(format!("f:{name}"), below.removed);
                    }
                }
                (Parts::Elements(before), Parts::Elements(after)) => {
                    let added = after.keys().filter(|element| !before.contains_key(*element));
                    for element in before.keys().chain(added) {
                        let mut below = Comparison::default();
                        self.compare_at(before.get(element).copied(), after.get(element).copied(), path, &mut below);
                        into.changed.put(element.clone(), below.changed);
                        into.removed.put(element.clone(), below.removed);
                    }
                }
                _ => into.changed.member = true,
            },
        }
    }

    /// Returns all of a value that was not there before: each map and list element counts itself.
    fn whole(self, value: &Value, path: &str) -> FieldSet {
        let mut set = FieldSet::leaf();
        match self.split(value, path) {
            Parts::Whole => {}
            Parts::Map(map) => {
                for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                    set.put(format!("f:{name}"), self.whole(value, &join(path, name)));
                }
            }
            Parts::Elements(elements) => {
                for (element, value) in elements {
                    set.put(element, self.whole(value, path));
                }
            }
        }
        set
    }

    /// Takes a value apart into what has owners of its own. A keyed list whose elements lack their keys, or have the
    /// same ones, is one value.
    pub(super) fn split<'a>(self, value: &'a Value, path: &str) -> Parts<'a> {
        match value {
            Value::Object(map) if schema::map_shape(self.resource, path) == Shape::Granular => Parts::Map(map),
            Value::Array(list) => {
                let shape = schema::list_shape(self.resource, path);
                let elements: Option<BTreeMap<_, _>> =
                    list.iter().map(|item| Some((element(item, shape)?, item))).collect();
                match elements {
                    Some(elements) if elements.len() == list.len() => Parts::Elements(elements),
                    _ => Parts::Whole,
                }
            }
            _ => Parts::Whole,
        }
    }
}

/// What a value consists of.
pub(super) enum Parts<'a> {
    Whole,
    Map(&'a Map<String, Value>),
    Elements(BTreeMap<String, &'a Value>),
}

/// Returns how a list element is named: `k:{"name":"web"}`, `v:"web"`, or not at all.
pub(super) fn element(item: &Value, shape: Shape) -> Option<String> {
    match (shape, item) {
        (Shape::Set, Value::Object(_) | Value::Array(_) | Value::Null) => None,
        (Shape::Set, scalar) => Some(format!("v:{scalar}")),
        (Shape::Keyed(keys), Value::Object(map)) => {
            let value = |key: &&str| map.get(*key).cloned().or_else(|| schema::key_default(key).map(Value::from));
            let named: Map<_, _> = keys.iter().filter_map(|key| Some(((*key).to_owned(), value(key)?))).collect();
            (!named.is_empty()).then(|| format!("k:{}", Value::Object(named)))
        }
        _ => None,
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::resource::of;
    use serde_json::json;

    fn typed(kind: &str) -> Typed {
        Typed { resource: of(kind) }
    }

    #[test]
    fn fields_are_written_as_the_real_server_does() {
        let pod = json!({
            "metadata": {"labels": {"app": "web"}, "finalizers": ["a/b"]},
            "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}], "nodeSelector": {"x": "y"}},
        });
        let expected = json!({
            "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {"v:\"a/b\"": {}}},
            "f:spec": {
                "f:containers": {"k:{\"name\":\"c\"}": {
                    ".": {}, "f:name": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                }},
                "f:nodeSelector": {},
            },
        });
        let set = typed("Pod").fields(&pod);
        assert_eq!(set.to_value(), expected);
        assert_eq!(FieldSet::parse(&expected), set);
    }

    #[test]
    fn a_comparison_names_what_changed_and_what_went() {
        let before = json!({"spec": {"replicas": 1, "paused": true, "template": {"spec": {"containers": [{"name": "a", "image": "1"}]}}}});
        let after =
            json!({"spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "a", "image": "2"}]}}}});
        let comparison = typed("Deployment").compare(&before, &after);
        let changed = [".spec.replicas", ".spec.template.spec.containers[name=\"a\"].image"];
        assert_eq!(comparison.changed.paths(), changed);
        assert_eq!(comparison.removed.paths(), [".spec.paused"]);
    }
}
