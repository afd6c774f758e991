//! `metadata.managedFields`: who set which field, read, changed and written.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::fields::{FieldSet, Typed};
use crate::rehearsal::resource::Resource;

/// How a manager wrote its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Apply,
    Update,
}

impl Operation {
    /// Returns the name in `managedFields`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who manages fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    pub name: String,
    pub operation: Operation,
    pub api_version: String,
    /// Such as `status`; empty for the object itself.
    pub subresource: String,
}

impl Manager {
    /// Names a manager of objects of `resource`.
    pub fn new(resource: &Resource, name: &str, operation: Operation, subresource: &str) -> Self {
        let api_version = resource.api_version();
        Self { name: name.into(), operation, api_version, subresource: subresource.into() }
    }

    /// Returns the manager as conflicts name it.
    pub fn describe(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text = format!("{text} with subresource {:?}", self.subresource);
        }
        if self.operation == Operation::Update {
            text = format!("{text} using {}", self.api_version);
        }
        text
    }
}

/// One entry: a manager and its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub manager: Manager,
    pub fields: FieldSet,
    time: Option<String>,
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Managed {
    pub entries: Vec<Entry>,
}

impl Managed {
    /// Reads the entries of an object; those that make no sense are left out.
    pub fn read(object: &Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        Self { entries: entries.into_iter().flatten().filter_map(entry).collect() }
    }

    /// Writes the entries into the object, in the real server's order: applies first, then by time and name.
    pub fn write(&self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        if self.entries.is_empty() {
            metadata.remove("managedFields");
            return;
        }
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        metadata.insert("managedFields".into(), entries.into_iter().map(to_value).collect());
    }

    /// Returns the fields of a manager.
    pub fn fields(&self, manager: &Manager) -> Option<&FieldSet> {
        self.entries.iter().find(|entry| &entry.manager == manager).map(|entry| &entry.fields)
    }

    /// Returns the entries of everyone else.
    pub fn others<'a>(&'a self, manager: &'a Manager) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| &entry.manager != manager)
    }

    /// Gives a manager these fields, at this time if they are other fields than before.
    pub fn set(&mut self, manager: &Manager, fields: FieldSet, now: Timestamp) {
        match self.entries.iter_mut().find(|entry| &entry.manager == manager) {
            Some(entry) if entry.fields == fields => {}
            Some(entry) => (entry.fields, entry.time) = (fields, Some(seconds(now))),
            None => self.entries.push(Entry { manager: manager.clone(), fields, time: Some(seconds(now)) }),
        }
        self.entries.retain(|entry| !entry.fields.is_empty());
    }

    /// Sets the time of a manager's entry.
    pub fn touch(&mut self, manager: &Manager, now: Timestamp) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| &entry.manager == manager) {
            entry.time = Some(seconds(now));
        }
    }

    /// Takes fields from everyone but `manager`.
    pub fn take(&mut self, manager: &Manager, fields: &FieldSet) {
        for entry in self.entries.iter_mut().filter(|entry| &entry.manager != manager) {
            entry.fields = entry.fields.difference(fields);
        }
        self.entries.retain(|entry| !entry.fields.is_empty());
    }

    /// Takes fields from everyone.
    pub fn forget(&mut self, fields: &FieldSet) {
        for entry in &mut self.entries {
            entry.fields = entry.fields.difference(fields);
        }
        self.entries.retain(|entry| !entry.fields.is_empty());
    }
}

fn sort_key(entry: &Entry) -> (Operation, &Option<String>, &str, &str) {
    (entry.manager.operation, &entry.time, &entry.manager.name, &entry.manager.subresource)
}

fn entry(value: &Value) -> Option<Entry> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let operation = match value.get("operation")?.as_str()? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    let manager =
        Manager { name: text("manager"), operation, api_version: text("apiVersion"), subresource: text("subresource") };
    let time = value.get("time").and_then(Value::as_str).map(str::to_owned);
    Some(Entry { manager, fields: FieldSet::parse(value.get("fieldsV1").unwrap_or(&Value::Null)), time })
}

fn to_value(entry: &Entry) -> Value {
    let manager = &entry.manager;
    let mut value = json!({
        "manager": manager.name, "operation": manager.operation.name(), "apiVersion": manager.api_version,
        "fieldsType": "FieldsV1", "fieldsV1": entry.fields.to_value(),
    });
    if let Some(time) = &entry.time {
        value["time"] = json!(time);
    }
    if !manager.subresource.is_empty() {
        value["subresource"] = json!(manager.subresource);
    }
    value
}

fn seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Metadata that nobody manages.
const UNMANAGED: &[&str] = &[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// Returns the part of an object that has managers: without its identity, and with only what this subresource may
/// write.
pub fn manageable(resource: &Resource, object: &Value, subresource: &str) -> Value {
    let mut part: Map<String, Value> = object.as_object().cloned().unwrap_or_default();
    part.remove("apiVersion");
    part.remove("kind");
    if resource.status && subresource == "status" {
        part.retain(|name, _| name == "status");
    } else if resource.status {
        part.remove("status");
    }
    if let Some(metadata) = part.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| !UNMANAGED.contains(&name.as_str()));
        if metadata.is_empty() {
            part.remove("metadata");
        }
    }
    Value::Object(part)
}

/// Records a write that is not an apply: fields that changed from `before` become the manager's, those that are gone
/// nobody's. Entries that the writer changed itself count as written. `operation` is `Update` or `Apply`.
pub fn track(
    resource: &'static Resource,
    before: Option<&Value>,
    after: &mut Value,
    manager: &str,
    operation: &str,
    subresource: Option<&str>,
    now: Timestamp,
) {
    let operation = if operation == Operation::Apply.name() { Operation::Apply } else { Operation::Update };
    let subresource = subresource.unwrap_or_default();
    let given = after.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut managed = match (given, before) {
        (Some(given), Some(_)) if given.iter().all(is_blank) => return Managed::default().write(after),
        (Some(_), _) => Managed::read(after),
        (None, Some(before)) => Managed::read(before),
        (None, None) => Managed::default(),
    };
    let manager = Manager::new(resource, manager, operation, subresource);
    let mut base = zero(resource);
    if let Some(before) = before {
        json_patch::merge(&mut base, &manageable(resource, before, subresource));
    }
    let comparison = Typed { resource }.compare(&base, &manageable(resource, after, subresource));
    managed.forget(&comparison.removed);
    if !comparison.changed.is_empty() {
        managed.take(&manager, &comparison.changed);
        let mine =
            managed.fields(&manager).map_or_else(|| comparison.changed.clone(), |had| had.union(&comparison.changed));
        managed.set(&manager, mine, now);
        managed.touch(&manager, now);
    }
    managed.write(after);
}

fn is_blank(entry: &Value) -> bool {
    entry.as_object().is_none_or(Map::is_empty)
}

/// Returns the maps that an object of this type has before anybody set a field: they are nobody's.
fn zero(resource: &Resource) -> Value {
    let template = || json!({"metadata": {}, "spec": {}});
    let mut zero = json!({"metadata": {}, "spec": {}, "status": {}});
    match resource.kind {
        "Deployment" => zero["spec"] = json!({"template": template(), "strategy": {}}),
        "StatefulSet" | "DaemonSet" => zero["spec"] = json!({"template": template(), "updateStrategy": {}}),
        "ReplicaSet" | "Job" => zero["spec"] = json!({"template": template()}),
        "CronJob" => zero["spec"] = json!({"jobTemplate": {"metadata": {}, "spec": {"template": template()}}}),
        "HorizontalPodAutoscaler" => zero["spec"] = json!({"scaleTargetRef": {}}),
        "PersistentVolumeClaim" => zero["spec"] = json!({"resources": {}}),
        _ => {}
    }
    zero
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::resource::of;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_created_object_is_its_creators() {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "labels": {"app": "x"}},
            "spec": {"replicas": 1, "strategy": {"rollingUpdate": {"maxSurge": 1}}}});
        track(of("Deployment"), None, &mut object, "kubectl-create", "Update", None, at(0));
        assert_eq!(
            object["metadata"]["managedFields"],
            json!([{
                "manager": "kubectl-create", "operation": "Update", "apiVersion": "apps/v1", "time": "1970-01-01T00:00:00Z",
                "fieldsType": "FieldsV1", "fieldsV1": {
                    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                    "f:spec": {"f:replicas": {}, "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}}},
                },
            }])
        );
    }

    #[test]
    fn an_update_takes_what_it_changes_and_nothing_else() {
        let mut before = json!({"metadata": {"name": "x"}, "spec": {"replicas": 1, "paused": true}});
        track(of("Deployment"), None, &mut before, "one", "Update", None, at(0));
        let mut after = before.clone();
        after["spec"] = json!({"replicas": 2});
        track(of("Deployment"), Some(&before), &mut after, "two", "Update", None, at(1));
        let managed = Managed::read(&after);
        assert_eq!(managed.entries.len(), 1);
        assert_eq!(managed.entries[0].manager.name, "two");
        let unchanged = after.clone();
        track(of("Deployment"), Some(&unchanged), &mut after, "three", "Update", None, at(2));
        assert_eq!(after, unchanged);
    }

    #[test]
    fn status_has_its_own_entry() {
        let mut before = json!({"metadata": {"name": "x"}, "spec": {"nodeName": "n"}});
        track(of("Pod"), None, &mut before, "one", "Update", None, at(0));
        let mut after = before.clone();
        after["status"] = json!({"phase": "Running"});
        track(of("Pod"), Some(&before), &mut after, "kubelet", "Update", Some("status"), at(1));
        let entries = after["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries[1]["subresource"], "status");
        assert_eq!(entries[1]["fieldsV1"], json!({"f:status": {"f:phase": {}}}));
    }

    #[test]
    fn a_client_may_reset_the_entries() {
        let mut before = json!({"metadata": {"name": "x"}, "data": {"a": "b"}});
        track(of("ConfigMap"), None, &mut before, "one", "Update", None, at(0));
        let mut after = before.clone();
        after["metadata"]["managedFields"] = json!([{}]);
        track(of("ConfigMap"), Some(&before), &mut after, "two", "Update", None, at(1));
        assert_eq!(after["metadata"].get("managedFields"), None);
    }
}
