//! `meta.k8s.io/v1` tables: what `kubectl get` shows, columns and cells as the real server's printers make them.

mod age;
mod cluster;
mod config;
mod network;
mod pod;
mod storage;
mod workload;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::read::{entries, list, name, text};
use crate::rehearsal::resource::Resource;

pub use age::human_duration;

/// How much of its object a row carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    Metadata,
    Object,
}

/// Returns a table of `objects`, with ages as of `now`. The list's own metadata is left to the caller.
pub fn table(resource: &'static Resource, objects: &[Value], include: IncludeObject, now: Timestamp) -> Value {
    let printer = printer(resource);
    let columns: Vec<Value> = printer.columns.iter().map(Column::to_value).collect();
    let rows: Vec<Value> = objects.iter().map(|object| row(printer, object, include, now)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": columns, "rows": rows,
    })
}

fn row(printer: &Printer, object: &Value, include: IncludeObject, now: Timestamp) -> Value {
    let mut row = json!({"cells": (printer.cells)(&Row { object, now })});
    if let Some(condition) = pod::completed(object) {
        row["conditions"] = json!([condition]);
    }
    match include {
        IncludeObject::None => row["object"] = Value::Null,
        IncludeObject::Object => row["object"] = object.clone(),
        IncludeObject::Metadata => {
            let metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
            row["object"] =
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata});
        }
    }
    row
}

/// One column, as the table describes it.
struct Column {
    name: &'static str,
    /// OpenAPI type of the cells.
    kind: &'static str,
    format: &'static str,
    description: &'static str,
    /// 1 for columns of `-o wide`.
    priority: u8,
}

impl Column {
    fn to_value(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format, "description": self.description,
            "priority": self.priority,
        })
    }
}

const fn column(name: &'static str, description: &'static str) -> Column {
    Column { name, kind: "string", format: "", description, priority: 0 }
}

const fn count(name: &'static str, description: &'static str) -> Column {
    Column { kind: "integer", ..column(name, description) }
}

const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { priority: 1, ..column(name, description) }
}

const NAME: Column = Column { format: "name", ..column("Name", "The object's name, unique within its namespace.") };
const AGE: Column = column("Age", "How long ago the object was made.");
const CREATED: Column =
    Column { format: "date-time", ..column("Created At", "When the object was made, in RFC 3339 form and UTC.") };
const CONTAINERS: Column = wide("Containers", "Names of the template's containers.");
const IMAGES: Column = wide("Images", "Images of the template's containers.");
const SELECTOR: Column = wide("Selector", "Which pods belong to the object.");

/// The columns of a resource, and how an object fills them.
struct Printer {
    columns: &'static [Column],
    cells: fn(&Row) -> Vec<Value>,
}

static DEFAULT: Printer = Printer {
    columns: &[NAME, CREATED],
    cells: |row| vec![row.name(), json!(row.text("/metadata/creationTimestamp"))],
};

fn printer(resource: &Resource) -> &'static Printer {
    match resource.kind {
        "Pod" => &pod::POD,
        "Deployment" => &workload::DEPLOYMENT,
        "ReplicaSet" => &workload::REPLICA_SET,
        "StatefulSet" => &workload::STATEFUL_SET,
        "DaemonSet" => &workload::DAEMON_SET,
        "Job" => &workload::JOB,
        "CronJob" => &workload::CRON_JOB,
        "HorizontalPodAutoscaler" => &workload::AUTOSCALER,
        "PodDisruptionBudget" => &workload::DISRUPTION_BUDGET,
        "ControllerRevision" => &workload::CONTROLLER_REVISION,
        "Service" => &network::SERVICE,
        "Endpoints" => &network::ENDPOINTS,
        "EndpointSlice" => &network::ENDPOINT_SLICE,
        "Ingress" => &network::INGRESS,
        "IngressClass" => &network::INGRESS_CLASS,
        "NetworkPolicy" => &network::NETWORK_POLICY,
        "PersistentVolume" => &storage::VOLUME,
        "PersistentVolumeClaim" => &storage::CLAIM,
        "StorageClass" => &storage::CLASS,
        "Node" => &cluster::NODE,
        "Namespace" => &cluster::NAMESPACE,
        "Event" => &cluster::EVENT,
        "Lease" => &cluster::LEASE,
        "PriorityClass" => &cluster::PRIORITY_CLASS,
        "ResourceQuota" => &cluster::QUOTA,
        "ConfigMap" => &config::CONFIG_MAP,
        "Secret" => &config::SECRET,
        "ServiceAccount" => &config::SERVICE_ACCOUNT,
        "RoleBinding" | "ClusterRoleBinding" => &config::ROLE_BINDING,
        _ => &DEFAULT,
    }
}

/// An object to show, and when.
struct Row<'a> {
    object: &'a Value,
    now: Timestamp,
}

impl Row<'_> {
    fn name(&self) -> Value {
        json!(name(self.object))
    }

    fn text(&self, pointer: &str) -> &str {
        text(self.object, pointer)
    }

    /// Returns the text at a pointer, or `<none>` and the like.
    fn text_or(&self, pointer: &str, absent: &str) -> Value {
        let found = self.text(pointer);
        json!(if found.is_empty() { absent } else { found })
    }

    /// Returns the number at a pointer, which is 0 when absent.
    fn number(&self, pointer: &str) -> i64 {
        self.object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
    }

    fn list(&self, pointer: &str) -> &[Value] {
        list(self.object, pointer)
    }

    fn age(&self) -> Value {
        json!(self.since("/metadata/creationTimestamp"))
    }

    /// Returns how long ago the time at a pointer was, or `<unknown>`.
    fn since(&self, pointer: &str) -> String {
        age::since(self.text(pointer), self.now).unwrap_or_else(|| "<unknown>".into())
    }

    /// Returns `metadata.deletionTimestamp` is set.
    fn is_deleting(&self) -> bool {
        !self.text("/metadata/deletionTimestamp").is_empty()
    }

    /// Returns the names and images of the containers of the pod spec at a pointer.
    fn containers(&self, pod_spec: &str) -> [Value; 2] {
        let containers = self.list(&format!("{pod_spec}/containers"));
        ["name", "image"].map(|field| json!(joined(containers.iter().map(|container| plain(&container[field])), ",")))
    }
}

/// Returns a scalar as text, without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn joined(texts: impl Iterator<Item = String>, separator: &str) -> String {
    texts.collect::<Vec<_>>().join(separator)
}

fn or_none(text: String) -> String {
    if text.is_empty() { "<none>".into() } else { text }
}

/// Returns `a=b,c=d` for the map at a pointer.
fn labels(object: &Value, pointer: &str) -> String {
    or_none(joined(entries(object, pointer).map(|(key, value)| format!("{key}={}", plain(value))), ","))
}

/// Returns a label selector as `a=b,c in (d,e),!f`.
fn selector(object: &Value, pointer: &str) -> String {
    let equal =
        entries(object, &format!("{pointer}/matchLabels")).map(|(key, value)| format!("{key}={}", plain(value)));
    let rules = list(object, &format!("{pointer}/matchExpressions")).iter().map(|rule| {
        let (key, values) = (text(rule, "/key"), joined(list(rule, "/values").iter().map(plain), ","));
        match text(rule, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        }
    });
    or_none(joined(equal.chain(rules), ","))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rehearsal::object::strategic::tests::any_json;
    use crate::rehearsal::resource::{RESOURCES, of};
    use proptest::prelude::*;

    pub fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().unwrap()
    }

    /// Checks the cells of one object that is five minutes old.
    #[track_caller]
    pub fn case(kind: &str, mut object: Value, cells: Value) {
        let metadata = json!({"name": "x", "creationTimestamp": "2026-01-01T00:55:00Z"});
        for (key, value) in metadata.as_object().unwrap() {
            if object["metadata"].get(key).is_none() {
                object["metadata"][key] = value.clone();
            }
        }
        object["kind"] = json!(kind);
        let table = table(of(kind), &[object], IncludeObject::None, now());
        assert_eq!(table["rows"][0]["cells"], cells);
    }

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        for resource in RESOURCES {
            let table =
                table(resource, &[json!({}), json!({"metadata": {"name": "x"}})], IncludeObject::Metadata, now());
            let columns = table["columnDefinitions"].as_array().unwrap().len();
            for row in table["rows"].as_array().unwrap() {
                assert_eq!(row["cells"].as_array().unwrap().len(), columns, "{}", resource.kind);
                assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
            }
        }
    }

    #[test]
    fn kinds_without_a_printer_show_when_they_were_made() {
        case("Role", json!({}), json!(["x", "2026-01-01T00:55:00Z"]));
    }

    proptest! {
        #[test]
        fn no_object_panics(object in any_json()) {
            for resource in RESOURCES {
                table(resource, std::slice::from_ref(&object), IncludeObject::Object, now());
            }
        }
    }
}
