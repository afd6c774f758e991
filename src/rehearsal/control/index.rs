//! What reconcilers look up most, kept beside the store: pods by node and owner, dependents, selectors.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::Value;

use super::requests::Requests;
use crate::rehearsal::store::{Change, ChangeKind, Object};

/// Namespace and name.
pub type Name = (String, String);
/// Kind, namespace and name.
pub type Reference = (&'static str, String, String);

/// A pod with the fields that decisions are made from.
#[derive(Debug, Clone)]
pub struct Pod {
    pub object: Arc<Object>,
    /// Empty while it is not scheduled.
    pub node: String,
    pub phase: String,
    pub ready: bool,
    /// When it became ready, as Kubernetes writes times.
    pub ready_since: String,
    /// Some container cannot be made: it waits for a ConfigMap, a Secret or an image.
    pub blocked: bool,
    pub requests: Requests,
    pub ip: String,
    pub created: String,
}

impl Pod {
    /// It has not ended and nobody asked it to.
    pub fn active(&self) -> bool {
        !self.object.deleting && !self.ended()
    }

    pub fn ended(&self) -> bool {
        self.phase == "Succeeded" || self.phase == "Failed"
    }

    pub fn name(&self) -> &str {
        &self.object.key.name
    }

    pub fn namespace(&self) -> &str {
        &self.object.key.namespace
    }

    pub fn label(&self, key: &str) -> &str {
        self.object.labels.get(key).map_or("", String::as_str)
    }

    /// It has been ready for that many seconds.
    pub fn available(&self, min_ready_seconds: i64) -> bool {
        let since = Value::String(self.ready_since.clone());
        self.ready && (min_ready_seconds == 0 || super::condition::age(&since) >= min_ready_seconds)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodView {
    metadata: MetaView,
    spec: SpecView,
    #[serde(default)]
    status: StatusView,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetaView {
    #[serde(default)]
    creation_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecView {
    #[serde(default)]
    node_name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct StatusView {
    phase: String,
    #[serde(rename = "podIP")]
    pod_ip: String,
    conditions: Vec<ConditionView>,
    container_statuses: Vec<ContainerView>,
    init_container_statuses: Vec<ContainerView>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConditionView {
    r#type: String,
    status: String,
    #[serde(default)]
    last_transition_time: Option<String>,
}

#[derive(Deserialize)]
struct ContainerView {
    #[serde(default)]
    state: BTreeMap<String, serde::de::IgnoredAny>,
}

impl Pod {
    fn of(object: &Arc<Object>, known: Option<&Pod>) -> Self {
        let view: PodView = serde_json::from_slice(&object.raw).expect("stored pods are pods");
        let ready = view.status.conditions.into_iter().find(|condition| condition.r#type == "Ready");
        let mut statuses = view.status.container_statuses.iter().chain(&view.status.init_container_statuses);
        Self {
            object: object.clone(),
            node: view.spec.node_name,
            phase: view.status.phase,
            ready: ready.as_ref().is_some_and(|ready| ready.status == "True"),
            ready_since: ready.and_then(|ready| ready.last_transition_time).unwrap_or_default(),
            blocked: statuses.any(|status| status.state.contains_key("waiting")),
            requests: known.map_or_else(|| Requests::of_pod(&object.value()["spec"]), |known| known.requests),
            ip: view.status.pod_ip,
            created: view.metadata.creation_timestamp,
        }
    }
}

/// The pods that take room on a node.
#[derive(Debug, Default, Clone)]
pub struct NodePods {
    pub names: BTreeSet<Name>,
    pub requests: Requests,
}

/// The lookups.
#[derive(Default)]
pub struct Index {
    pods: BTreeMap<Name, Arc<Pod>>,
    nodes: HashMap<String, NodePods>,
    /// Scheduled nowhere yet.
    pub unscheduled: BTreeSet<Name>,
    /// Without a controller.
    pub orphans: BTreeSet<Name>,
    dependents: HashMap<String, BTreeSet<Reference>>,
    uids: HashSet<String>,
    services: BTreeMap<Name, Value>,
    budgets: BTreeMap<Name, Value>,
    /// Namespaces that take new objects.
    namespaces: HashSet<String>,
}

impl Index {
    /// Takes one change in.
    pub fn observe(&mut self, change: &Change) {
        let gone = change.kind == ChangeKind::Deleted;
        let object = &change.object;
        match object.key.resource.kind {
            "Event" | "Lease" => return,
            "Pod" => self.pod(object, gone),
            "Service" => select(&mut self.services, object, gone),
            "PodDisruptionBudget" => select(&mut self.budgets, object, gone),
            "Namespace" if gone || object.deleting => drop(self.namespaces.remove(&object.key.name)),
            "Namespace" => drop(self.namespaces.insert(object.key.name.clone())),
            _ => {}
        }
        self.ownership(object, change.previous.as_deref(), gone);
    }

    fn ownership(&mut self, object: &Object, previous: Option<&Object>, gone: bool) {
        let reference = (object.key.resource.kind, object.key.namespace.clone(), object.key.name.clone());
        for owner in previous.into_iter().flat_map(|previous| &previous.owners) {
            if gone || !object.owners.iter().any(|kept| kept.uid == owner.uid) {
                self.drop_dependent(&owner.uid, &reference);
            }
        }
        if gone {
            self.uids.remove(&object.uid);
            return;
        }
        self.uids.insert(object.uid.clone());
        for owner in &object.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(reference.clone());
        }
    }

    fn drop_dependent(&mut self, uid: &str, reference: &Reference) {
        let Some(dependents) = self.dependents.get_mut(uid) else { return };
        dependents.remove(reference);
        if dependents.is_empty() {
            self.dependents.remove(uid);
        }
    }

    fn pod(&mut self, object: &Arc<Object>, gone: bool) {
        let name = (object.key.namespace.clone(), object.key.name.clone());
        let before = self.pods.remove(&name);
        if let Some(before) = before.as_deref().filter(|before| !before.node.is_empty()) {
            self.leave(before, &name);
        }
        self.unscheduled.remove(&name);
        self.orphans.remove(&name);
        if gone {
            return;
        }
        let known = before.as_deref().filter(|before| before.object.uid == object.uid);
        let pod = Pod::of(object, known);
        if pod.node.is_empty() && pod.active() {
            self.unscheduled.insert(name.clone());
        } else if !pod.node.is_empty() {
            let node = self.nodes.entry(pod.node.clone()).or_default();
            node.names.insert(name.clone());
            if !pod.ended() {
                node.requests += pod.requests;
            }
        }
        if object.controller().is_none() {
            self.orphans.insert(name.clone());
        }
        self.pods.insert(name, Arc::new(pod));
    }

    fn leave(&mut self, pod: &Pod, name: &Name) {
        let Some(node) = self.nodes.get_mut(&pod.node) else { return };
        node.names.remove(name);
        if !pod.ended() {
            node.requests -= pod.requests;
        }
        if node.names.is_empty() {
            self.nodes.remove(&pod.node);
        }
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        self.pods.get(&(namespace.to_owned(), name.to_owned()))
    }

    pub fn all_pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.values()
    }

    pub fn pods_in<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Pod>> {
        in_namespace(&self.pods, namespace).map(|(_, pod)| pod)
    }

    /// Returns the pods that an owner controls, by name.
    pub fn pods_of(&self, uid: &str) -> Vec<Arc<Pod>> {
        let pods = self.dependents(uid).filter(|(kind, ..)| *kind == "Pod");
        let pods = pods.filter_map(|(_, namespace, name)| self.get(namespace, name));
        pods.filter(|pod| pod.object.controller().is_some_and(|owner| owner.uid == uid)).cloned().collect()
    }

    /// Returns the names of a node's pods and what they ask for together.
    pub fn on_node(&self, node: &str) -> NodePods {
        self.nodes.get(node).cloned().unwrap_or_default()
    }

    /// Returns the objects that name this owner.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &Reference> {
        self.dependents.get(uid).into_iter().flatten()
    }

    /// Returns whether an object with this uid is there.
    pub fn exists(&self, uid: &str) -> bool {
        self.uids.contains(uid)
    }

    /// Returns whether new objects may be made in the namespace.
    pub fn accepts(&self, namespace: &str) -> bool {
        namespace.is_empty() || self.namespaces.contains(namespace)
    }

    /// Returns the Services whose selector matches.
    pub fn services_for(&self, pod: &Object) -> Vec<String> {
        let services = in_namespace(&self.services, &pod.key.namespace);
        let selected = services.filter(|(_, selector)| {
            selector.as_object().is_some_and(|selector| !selector.is_empty())
                && super::selector::is_subset(selector, &pod.labels)
        });
        selected.map(|((_, name), _)| name.clone()).collect()
    }

    /// Returns the PodDisruptionBudgets whose selector matches.
    pub fn budgets_for(&self, pod: &Object) -> Vec<String> {
        let budgets = in_namespace(&self.budgets, &pod.key.namespace);
        let selected = budgets.filter(|(_, selector)| super::selector::matches(selector, &pod.labels));
        selected.map(|((_, name), _)| name.clone()).collect()
    }
}

fn select(selectors: &mut BTreeMap<Name, Value>, object: &Object, gone: bool) {
    let name = (object.key.namespace.clone(), object.key.name.clone());
    if gone {
        selectors.remove(&name);
    } else {
        selectors.insert(name, object.value()["spec"]["selector"].take());
    }
}

fn in_namespace<'a, T>(map: &'a BTreeMap<Name, T>, namespace: &'a str) -> impl Iterator<Item = (&'a Name, &'a T)> {
    map.range((namespace.to_owned(), String::new())..).take_while(move |((of, _), _)| of == namespace)
}
