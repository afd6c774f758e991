//! Events: what `kubectl describe` and `kubectl get events` tell people, counted and forgotten like the real ones.

use std::{
    collections::{HashMap, VecDeque},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{condition, context::new_object};
use crate::rehearsal::{
    resource::of,
    store::{Key, Object, Store},
};

/// How many different messages of one reason an object may have before they are folded into one event.
const SIMILAR: u32 = 10;
/// How many events are kept.
const KEPT: usize = 16_384;
/// Seconds an event is kept after it was last seen.
const LIFETIME: i64 = 3600;

/// One thing that happened to an object.
pub struct Event<'a> {
    pub warning: bool,
    pub reason: &'a str,
    pub message: String,
    /// Who says it, such as `kubelet`.
    pub component: &'a str,
    /// The node it happened on; empty for none.
    pub host: &'a str,
    /// The part of the object it is about, such as `spec.containers{web}`; empty for all of it.
    pub field: String,
}

impl<'a> Event<'a> {
    pub fn normal(component: &'a str, reason: &'a str, message: impl Into<String>) -> Self {
        Self { warning: false, reason, message: message.into(), component, host: "", field: String::new() }
    }

    pub fn warning(component: &'a str, reason: &'a str, message: impl Into<String>) -> Self {
        Self { warning: true, ..Self::normal(component, reason, message) }
    }
}

/// Knows which events exist, so that a repeated one is counted instead of told again.
#[derive(Default)]
pub struct Recorder {
    known: HashMap<u64, Key>,
    similar: HashMap<u64, u32>,
    order: VecDeque<(u64, Key)>,
    last_stamp: u128,
}

impl Recorder {
    /// Learns the events that are stored already.
    pub fn of(store: &Store) -> Self {
        let mut recorder = Self::default();
        for object in store.list(of("Event"), None).0 {
            let event = object.value();
            let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let about = text("/involvedObject/uid");
            let id =
                hash(&[&about, &text("/reason"), &text("/message"), &text("/source/component"), &text("/source/host")]);
            recorder.known.insert(id, object.key.clone());
            recorder.order.push_back((id, object.key.clone()));
        }
        recorder
    }

    /// Stores the event, or counts it up when the same one is there.
    pub fn record(&mut self, store: &Store, about: &Object, mut event: Event<'_>) {
        let similar = hash(&[&about.uid, event.reason, event.component]);
        let id = |message: &str| hash(&[&about.uid, event.reason, message, event.component, event.host]);
        let mut identity = id(&event.message);
        if !self.known.contains_key(&identity) {
            let count = self.similar.entry(similar).or_default();
            *count += 1;
            if *count > SIMILAR {
                identity = id("combined");
                event.message = format!("(combined from similar events): {}", event.message);
            }
        }
        if self.count_up(store, identity, &event.message) {
            return;
        }
        let name = format!("{}.{:x}", about.key.name, self.stamp());
        let namespace = if about.key.namespace.is_empty() { "default" } else { &about.key.namespace };
        if let Ok(object) = store.create(of("Event"), body(namespace, &name, about, &event)) {
            self.known.insert(identity, object.key.clone());
            self.order.push_back((identity, object.key.clone()));
            self.keep(store, KEPT);
        }
    }

    /// Returns the time in nanoseconds, later than the last one: events of an object sort by it, as they happened.
    fn stamp(&mut self) -> u128 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_stamp = since_1970.as_nanos().max(self.last_stamp + 1);
        self.last_stamp
    }

    fn count_up(&self, store: &Store, identity: u64, message: &str) -> bool {
        let Some(key) = self.known.get(&identity) else { return false };
        let counted = store.modify(key, |object| {
            let mut value = object.value();
            value["count"] = json!(value["count"].as_i64().unwrap_or(1) + 1);
            value["lastTimestamp"] = json!(condition::now());
            value["message"] = json!(message);
            Some(value)
        });
        counted.is_some()
    }

    fn keep(&mut self, store: &Store, most: usize) {
        while self.order.len() > most {
            let Some((identity, key)) = self.order.pop_front() else { break };
            self.forget(store, identity, &key);
        }
    }

    fn forget(&mut self, store: &Store, identity: u64, key: &Key) {
        if self.known.get(&identity) == Some(key) {
            self.known.remove(&identity);
        }
        if let Some(object) = store.get(key.resource, &key.namespace, &key.name) {
            let _ = store.remove(&object);
        }
    }

    /// Removes what has not been seen for an hour.
    pub fn expire(&mut self, store: &Store) {
        let order = std::mem::take(&mut self.order);
        for (identity, key) in order {
            match store.get(key.resource, &key.namespace, &key.name) {
                Some(object) if condition::age(&object.value()["lastTimestamp"]) > LIFETIME => {
                    self.forget(store, identity, &key);
                }
                Some(_) => self.order.push_back((identity, key)),
                None => self.forget(store, identity, &key),
            }
        }
        self.similar.clear();
    }
}

fn body(namespace: &str, name: &str, about: &Object, event: &Event<'_>) -> Value {
    let now = condition::now();
    let mut value = new_object("Event", namespace, name);
    value["involvedObject"] = json!({
        "apiVersion": about.key.resource.api_version(),
        "kind": about.key.resource.kind,
        "name": about.key.name,
        "uid": about.uid,
        "resourceVersion": about.version.to_string(),
    });
    if !about.key.namespace.is_empty() {
        value["involvedObject"]["namespace"] = json!(about.key.namespace);
    }
    if !event.field.is_empty() {
        value["involvedObject"]["fieldPath"] = json!(event.field);
    }
    value["type"] = json!(if event.warning { "Warning" } else { "Normal" });
    value["reason"] = json!(event.reason);
    value["message"] = json!(event.message);
    value["source"] = json!({"component": event.component});
    if !event.host.is_empty() {
        value["source"]["host"] = json!(event.host);
    }
    value["reportingComponent"] = json!(event.component);
    value["reportingInstance"] = json!(event.host);
    value["firstTimestamp"] = json!(now);
    value["lastTimestamp"] = json!(now);
    value["eventTime"] = Value::Null;
    value["count"] = json!(1);
    value
}

fn hash(parts: &[&str]) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}
