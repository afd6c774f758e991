//! What every reconciler works with: the store, the lookups, the queue, and the few ways to write.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    autoscaler, condition,
    events::{Event, Recorder},
    index::Index,
    kubelet,
    queue::{Controller, Queue, Work},
    route,
    world::State,
};
use crate::rehearsal::{
    admission,
    object::defaults,
    resource::of,
    store::{Key, Object, Store},
};

/// The controllers' shared state. All but the store is rebuilt from the store after a crash.
pub struct Context {
    pub store: Arc<Store>,
    pub world: State,
    pub index: Index,
    pub queue: Queue,
    pub recorder: Recorder,
    pub kubelet: kubelet::Memory,
    pub autoscaler: autoscaler::Memory,
}

impl Context {
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.store.get(of(kind), namespace, name)
    }

    pub fn list(&self, kind: &str, namespace: Option<&str>) -> Vec<Arc<Object>> {
        self.store.list(of(kind), namespace).0
    }

    /// Returns an owner's dependents of one kind.
    pub fn dependents(&self, uid: &str, kind: &str) -> Vec<Arc<Object>> {
        let references = self.index.dependents(uid).filter(|(of, ..)| *of == kind);
        references.filter_map(|(_, namespace, name)| self.get(kind, namespace, name)).collect()
    }

    /// Stores a new object that says too little, with the API server's defaults. Parts of objects that went through the API
    /// have them already: [`Self::create`] is for those, and faster.
    pub fn create_sparse(&mut self, kind: &str, mut value: Value) -> Option<Arc<Object>> {
        defaults::apply(of(kind), &mut value);
        self.create(kind, value)
    }

    /// Stores a new object; `None` when it exists already or its namespace takes no new objects.
    pub fn create(&mut self, kind: &str, mut value: Value) -> Option<Arc<Object>> {
        let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default();
        if !self.index.accepts(namespace) {
            return None;
        }
        if kind == "Pod"
            && let Err(refused) = admission::admit(&self.store, &mut value)
        {
            self.say_refused(&value, &refused.message);
            return None;
        }
        self.store.create(of(kind), value).ok()
    }

    /// Tells a pod's owner that admission refused the pod, and lets it try again later.
    fn say_refused(&mut self, pod: &Value, why: &str) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let owner = &pod["metadata"]["ownerReferences"][0];
        let (namespace, kind, name) = (text(&pod["metadata"]["namespace"]), text(&owner["kind"]), text(&owner["name"]));
        let Some(controller) = route::own_controller(&kind) else { return };
        let Some(owner) = self.get(&kind, &namespace, &name) else { return };
        let message = match kind.as_str() {
            "StatefulSet" => {
                let pod = text(&pod["metadata"]["name"]);
                format!("create Pod {pod} in StatefulSet {name} failed error: {why}")
            }
            _ => format!("Error creating: {why}"),
        };
        let component = format!("{}-controller", kind.to_lowercase());
        self.event(&owner, Event::warning(&component, "FailedCreate", message));
        self.after(controller, &namespace, &name, self.world.pace.back_off);
    }

    /// Writes a changed object; returns whether it was still the newest. When it was not, the newer version brings its
    /// own work.
    pub fn update(&self, base: &Object, value: Value) -> bool {
        self.store.replace(base, value).is_ok()
    }

    /// Returns whether nobody has changed the object since it was read.
    pub fn is_newest(&self, base: &Object) -> bool {
        let newest = self.store.get(base.key.resource, &base.key.namespace, &base.key.name);
        newest.is_some_and(|newest| newest.version == base.version)
    }

    /// Writes an object's status, if it differs.
    pub fn update_status(&self, base: &Object, status: Value) -> bool {
        let mut value = base.value();
        if value["status"] == status {
            return true;
        }
        value["status"] = status;
        self.update(base, value)
    }

    /// Deletes as a controller does: dependents follow in the background, pods on a node end first, finalizers are waited for.
    pub fn delete(&self, object: &Object) {
        self.store.modify(&key(object), |object| {
            let mut value = object.value();
            let on_node = object.key.resource.kind == "Pod" && value["spec"]["nodeName"].is_string();
            let finalizers = value["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
            if !on_node && !finalizers {
                let _ = self.store.remove(object);
                return None;
            }
            if object.deleting {
                return None;
            }
            value["metadata"]["deletionTimestamp"] = json!(condition::now());
            let grace = value["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
            value["metadata"]["deletionGracePeriodSeconds"] = json!(if on_node { grace } else { 0 });
            Some(value)
        });
    }

    /// Takes one finalizer off, and removes the object when it was the last thing that kept it.
    pub fn drop_finalizer(&self, object: &Object, finalizer: &str) {
        self.store.modify(&key(object), |object| {
            let mut value = object.value();
            let list = value["metadata"]["finalizers"].as_array_mut()?;
            list.retain(|one| one != finalizer);
            let last = list.is_empty();
            if last {
                value["metadata"].as_object_mut()?.remove("finalizers");
            }
            let on_node = object.key.resource.kind == "Pod" && value["spec"]["nodeName"].is_string();
            if last && object.deleting && !on_node {
                let _ = self.store.remove(object);
                return None;
            }
            Some(value)
        });
    }

    /// Records an event about an object.
    pub fn event(&mut self, about: &Object, event: Event<'_>) {
        if self.index.accepts(&about.key.namespace) {
            self.recorder.record(&self.store, about, event);
        }
    }

    pub fn add(&mut self, controller: Controller, namespace: &str, name: &str) {
        self.queue.add(Work::new(controller, namespace, name));
    }

    pub fn after(&mut self, controller: Controller, namespace: &str, name: &str, delay: Duration) {
        self.queue.after(Work::new(controller, namespace, name), delay);
    }
}

fn key(object: &Object) -> Key {
    object.key.clone()
}

/// Returns the start of a new object: type and name.
pub fn new_object(kind: &str, namespace: &str, name: &str) -> Value {
    let resource = of(kind);
    let mut value = json!({"apiVersion": resource.api_version(), "kind": kind, "metadata": {"name": name}});
    if resource.namespaced {
        value["metadata"]["namespace"] = json!(namespace);
    }
    value
}

/// Returns the reference that makes `owner` the controller of another object.
pub fn controlled_by(owner: &Object) -> Value {
    json!([{
        "apiVersion": owner.key.resource.api_version(),
        "kind": owner.key.resource.kind,
        "name": owner.key.name,
        "uid": owner.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}
