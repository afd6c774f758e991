//! Field selectors.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Value, value::RawValue};

use crate::rehearsal::{object::status::Status, resource::Resource, store::Object};

#[derive(Debug)]
struct Term {
    path: Vec<String>,
    value: String,
    equal: bool,
}

/// A field selector: all of its terms must hold.
#[derive(Debug, Default)]
pub(super) struct FieldSelector(Vec<Term>);

/// The fields that the real server can select by, besides `metadata.name` and `metadata.namespace`.
fn selectable(kind: &str) -> &'static [&'static str] {
    match kind {
        "Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "Node" => &["spec.unschedulable"],
        "Namespace" => &["status.phase"],
        "Secret" => &["type"],
        "Service" => &["spec.clusterIP", "spec.type"],
        "Job" => &["status.successful"],
        "ReplicaSet" => &["status.replicas"],
        _ => &[],
    }
}

impl FieldSelector {
    /// Reads a selector as `spec.nodeName=a,status.phase!=Running`.
    ///
    /// # Errors
    /// 400 for a field that the kind cannot be selected by.
    pub fn parse(resource: &Resource, text: &str) -> Result<Self, Status> {
        let terms = text.split(',').filter(|term| !term.is_empty()).map(|text| term(resource, text));
        terms.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the name that `metadata.name=` asks for.
    pub fn name(&self) -> Option<&str> {
        self.0.iter().find(|term| term.equal && term.path == ["metadata", "name"]).map(|term| term.value.as_str())
    }

    /// Returns whether an object is selected. Only what the selector names is decoded.
    pub fn matches(&self, object: &Object) -> bool {
        self.0.iter().all(|term| (field(object, &term.path) == term.value) == term.equal)
    }
}

fn term(resource: &Resource, text: &str) -> Result<Term, Status> {
    let split = text.split_once("!=").map(|(path, value)| (path, value, false));
    let split = split.or_else(|| text.split_once("==").map(|(path, value)| (path, value, true)));
    let split = split.or_else(|| text.split_once('=').map(|(path, value)| (path, value, true)));
    let (path, value, equal) =
        split.ok_or_else(|| Status::bad_request(format!("invalid selector: '{text}'; can't understand '{text}'")))?;
    let common = path == "metadata.name" || path == "metadata.namespace" && resource.namespaced;
    if !common && !selectable(resource.kind).contains(&path) {
        return Err(Status::bad_request(format!("field label not supported: {path}")));
    }
    Ok(Term { path: path.split('.').map(str::to_owned).collect(), value: value.to_owned(), equal })
}

fn field<'a>(object: &'a Object, path: &[String]) -> Cow<'a, str> {
    match (object.key.resource.kind, &path.iter().map(String::as_str).collect::<Vec<_>>()[..]) {
        (_, ["metadata", "name"]) => object.key.name.as_str().into(),
        (_, ["metadata", "namespace"]) => object.key.namespace.as_str().into(),
        ("Event", ["source"]) => text(&object.raw, &["source", "component"]).into(),
        ("Job", ["status", "successful"]) => text_or(&object.raw, &["status", "succeeded"], "0").into(),
        ("Node", path @ ["spec", "unschedulable"]) | ("Pod", path @ ["spec", "hostNetwork"]) => {
            text_or(&object.raw, path, "false").into()
        }
        (_, path) => text(&object.raw, path).into(),
    }
}

fn text_or(raw: &[u8], path: &[&str], default: &str) -> String {
    let text = text(raw, path);
    if text.is_empty() { default.to_owned() } else { text }
}

fn text(raw: &[u8], path: &[&str]) -> String {
    let value = path.iter().try_fold(raw, |raw, segment| {
        let fields: HashMap<Cow<str>, &RawValue> = serde_json::from_slice(raw).ok()?;
        fields.get(*segment).map(|value| value.get().as_bytes())
    });
    match value.and_then(|raw| serde_json::from_slice(raw).ok()) {
        Some(Value::String(text)) => text,
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::{resource::of, store::Store};
    use serde_json::json;

    #[test]
    fn pods_are_selected_by_node_and_phase() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("log")).unwrap();
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"},
            "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}});
        let pod = store.create(of("Pod"), pod).unwrap();
        let matches = |text: &str| FieldSelector::parse(of("Pod"), text).unwrap().matches(&pod);
        assert!(matches("spec.nodeName=n1,status.phase!=Pending"));
        assert!(matches("metadata.name==p,metadata.namespace=a,spec.hostNetwork=false"));
        assert!(!matches("spec.nodeName="));
        assert!(!matches("metadata.name!=p"));
    }

    #[test]
    fn other_fields_are_refused_by_name() {
        let status = FieldSelector::parse(of("Pod"), "spec.foo=bar").unwrap_err();
        assert_eq!(status.message, "field label not supported: spec.foo");
    }
}
