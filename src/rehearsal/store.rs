//! The rehearsal's objects: in memory, and in a log that survives the process.
//!
//! Every change is appended to the log before it is acknowledged, so `kill -9` loses nothing that a client was told.
//! Objects are kept as encoded JSON: ten times smaller than a tree, and a list is answered by joining bytes.

pub mod copies;
mod log;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::{mpsc, watch};

use super::{clock::this_second, resource::Resource};
use log::Log;

/// How many changes of its resource a watch may lag behind before it must list again.
const HISTORY: usize = 8192;

/// Names one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub resource: &'static Resource,
    /// Empty for cluster-wide objects.
    pub namespace: String,
    pub name: String,
}

/// Who an object belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub kind: String,
    pub name: String,
    pub uid: String,
    pub controller: bool,
    pub blocks_deletion: bool,
}

/// One stored version of an object, with the metadata that is asked for most decoded.
#[derive(Debug)]
pub struct Object {
    pub key: Key,
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: u64,
    pub labels: BTreeMap<String, String>,
    pub owners: Vec<Owner>,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// The whole object as compact JSON, with `apiVersion`, `kind` and `resourceVersion`.
    pub raw: Bytes,
}

impl Object {
    /// Returns the whole object as a tree.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.raw).expect("stored objects are JSON")
    }

    /// Decodes the object as one of the `k8s_openapi` types.
    ///
    /// # Panics
    /// Panics if `T` is not this object's type: what is stored was validated against it.
    pub fn decode<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.raw).expect("stored objects have their resource's type")
    }

    /// Returns the owner that manages this object, if any.
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One committed change.
#[derive(Debug, Clone)]
pub struct Change {
    pub kind: ChangeKind,
    /// The object after the change; for a deletion, its last state with the deletion's resource version.
    pub object: Arc<Object>,
    pub previous: Option<Arc<Object>>,
}

/// The object was changed or removed by somebody else since it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale;

/// An object of that name is there already.
#[derive(Debug)]
pub struct Exists(pub Arc<Object>);

/// The asked resource version is older than the history kept: list again.
#[derive(Debug, PartialEq, Eq)]
pub struct TooOld;

/// All objects of one cluster.
pub struct Store {
    inner: Mutex<Inner>,
    latest: watch::Sender<u64>,
}

type Table = BTreeMap<(String, String), Arc<Object>>;
/// By group and plural name.
type Tables = HashMap<(&'static str, &'static str), Table>;

/// The newest changes of one resource: many events do not push the pods' changes out.
struct History {
    changes: VecDeque<Change>,
    /// Changes up to this version are no longer here.
    forgotten: u64,
}

struct Inner {
    tables: Tables,
    version: u64,
    histories: HashMap<(&'static str, &'static str), History>,
    /// The version that the log was opened at: nothing before it is in any history.
    opened: u64,
    subscribers: Vec<mpsc::UnboundedSender<Change>>,
    log: Log,
}

impl Store {
    /// Opens the log at `path`, making it when absent. A last line that was cut off was never acknowledged and is dropped.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (tables, version) = Log::read(path)?;
        let log = Log::rewrite(path, &tables, version)?;
        let inner = Inner { tables, version, histories: HashMap::new(), opened: version, subscribers: Vec::new(), log };
        Ok(Self { inner: Mutex::new(inner), latest: watch::Sender::new(version) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Returns the resource version of the newest change.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// Returns the object, if it is there.
    pub fn get(&self, resource: &'static Resource, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.lock().table(resource)?.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Returns the objects of a namespace, or of all (`None`), by namespace and name, and the version the list is of.
    pub fn list(&self, resource: &'static Resource, namespace: Option<&str>) -> (Vec<Arc<Object>>, u64) {
        let inner = self.lock();
        let objects = match (inner.table(resource), namespace) {
            (None, _) => Vec::new(),
            (Some(table), None) => table.values().cloned().collect(),
            (Some(table), Some(namespace)) => table
                .range((namespace.to_owned(), String::new())..)
                .take_while(|((of, _), _)| of == namespace)
                .map(|(_, object)| object.clone())
                .collect(),
        };
        (objects, inner.version)
    }

    /// Stores a new object. `metadata.name` (and `namespace`) must be set; `creationTimestamp`, `generation`,
    /// `resourceVersion` and, when it has none, `uid` are set here.
    ///
    /// # Errors
    /// [`Exists`] with the object that has the name already.
    pub fn create(&self, resource: &'static Resource, mut value: Value) -> Result<Arc<Object>, Exists> {
        let mut inner = self.lock();
        let name = text(&value, "/metadata/name");
        let namespace = text(&value, "/metadata/namespace");
        if let Some(object) = inner.table(resource).and_then(|table| table.get(&(namespace, name))) {
            return Err(Exists(object.clone()));
        }
        let now = this_second();
        let metadata = value["metadata"].as_object_mut().expect("an object has metadata");
        metadata.entry("uid").or_insert_with(|| json!(uuid::Uuid::new_v4().to_string()));
        metadata.insert("creationTimestamp".into(), json!(now.to_string()));
        if resource.counts_generations() && value.get("spec").is_some() {
            value["metadata"]["generation"] = json!(1);
        }
        Ok(self.commit(&mut inner, resource, value, ChangeKind::Added, None))
    }

    /// Replaces `base` by `value`. A value that equals the stored one changes nothing. `metadata.generation` grows when
    /// `spec` changed.
    ///
    /// # Errors
    /// [`Stale`] when `base` is no longer the newest version.
    pub fn replace(&self, base: &Object, mut value: Value) -> Result<Arc<Object>, Stale> {
        let mut inner = self.lock();
        let current = inner.current(base)?;
        value["metadata"]["resourceVersion"] = json!(base.version.to_string());
        let before = Outline::of(&current.raw);
        if let Some(generation) = before.metadata.generation {
            let grown = i64::from(value.get("spec").map(Value::to_string).as_deref() != before.spec.map(RawValue::get));
            value["metadata"]["generation"] = json!(generation + grown);
        }
        if encoded(&value) == current.raw {
            return Ok(current);
        }
        Ok(self.commit(&mut inner, base.key.resource, value, ChangeKind::Modified, Some(current)))
    }

    /// Removes `base` at once, whatever its finalizers say.
    ///
    /// # Errors
    /// [`Stale`] when `base` is no longer the newest version.
    pub fn remove(&self, base: &Object) -> Result<Arc<Object>, Stale> {
        let mut inner = self.lock();
        let current = inner.current(base)?;
        Ok(self.commit(&mut inner, base.key.resource, current.value(), ChangeKind::Deleted, Some(current)))
    }

    /// Changes an object by its newest version, again when somebody else was faster. `change` returns `None` to leave it
    /// as it is. Returns the object as it is now, or `None` when there is none.
    pub fn modify(&self, key: &Key, mut change: impl FnMut(&Object) -> Option<Value>) -> Option<Arc<Object>> {
        loop {
            let object = self.get(key.resource, &key.namespace, &key.name)?;
            let Some(value) = change(&object) else { return Some(object) };
            if let Ok(object) = self.replace(&object, value) {
                return Some(object);
            }
        }
    }

    fn commit(
        &self,
        inner: &mut Inner,
        resource: &'static Resource,
        mut value: Value,
        kind: ChangeKind,
        previous: Option<Arc<Object>>,
    ) -> Arc<Object> {
        inner.version += 1;
        value["metadata"]["resourceVersion"] = json!(inner.version.to_string());
        let object = Arc::new(object(resource, &value));
        inner.log.append(&object, kind, previous.as_deref()).unwrap_or_else(|error| {
            // An acknowledged write that is not in the log would be a lie, and there is nobody left to tell.
            panic!("the rehearsal's log cannot be written: {error}")
        });
        let table = inner.tables.entry((resource.group, resource.plural)).or_default();
        let place = (object.key.namespace.clone(), object.key.name.clone());
        match kind {
            ChangeKind::Deleted => table.remove(&place),
            _ => table.insert(place, object.clone()),
        };
        let change = Change { kind, object: object.clone(), previous };
        inner.subscribers.retain(|subscriber| subscriber.send(change.clone()).is_ok());
        inner.remember(change);
        inner.compact();
        self.latest.send_replace(inner.version);
        object
    }

    /// Returns the changes of one resource after `version`, oldest first, and the version they lead to.
    ///
    /// # Errors
    /// [`TooOld`] when changes after `version` are no longer known.
    pub fn changes_since(&self, resource: &'static Resource, version: u64) -> Result<(Vec<Change>, u64), TooOld> {
        let inner = self.lock();
        let history = inner.histories.get(&(resource.group, resource.plural));
        if version < history.map_or(inner.opened, |history| history.forgotten) {
            return Err(TooOld);
        }
        let changes = history.into_iter().flat_map(|history| {
            let from = history.changes.partition_point(|change| change.object.version <= version);
            history.changes.range(from..)
        });
        Ok((changes.cloned().collect(), inner.version))
    }

    /// Returns a receiver that shows the newest resource version and wakes on each change.
    pub fn latest(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Returns a receiver of every change from now on, without loss.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Change> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().subscribers.push(sender);
        receiver
    }
}

impl Inner {
    fn table(&self, resource: &Resource) -> Option<&Table> {
        self.tables.get(&(resource.group, resource.plural))
    }

    fn current(&self, base: &Object) -> Result<Arc<Object>, Stale> {
        let place = (base.key.namespace.clone(), base.key.name.clone());
        let current = self.table(base.key.resource).and_then(|table| table.get(&place));
        current.filter(|object| object.version == base.version).cloned().ok_or(Stale)
    }

    fn remember(&mut self, change: Change) {
        let resource = change.object.key.resource;
        let fresh = History { changes: VecDeque::new(), forgotten: self.opened };
        let history = self.histories.entry((resource.group, resource.plural)).or_insert(fresh);
        history.changes.push_back(change);
        if history.changes.len() > HISTORY {
            history.forgotten = history.changes.pop_front().map_or(0, |change| change.object.version);
        }
    }

    fn compact(&mut self) {
        if !self.log.is_wasteful() {
            return;
        }
        match self.log.rewritten(&self.tables, self.version) {
            Ok(log) => self.log = log,
            #[expect(clippy::print_stderr, reason = "stderr is the log of the process that holds the store")]
            Err(error) => eprintln!("the log could not be compacted, going on with the long one: {error}"),
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Equal trees have equal texts: the keys of a map are in order.
fn encoded(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("a JSON tree can be encoded")
}

/// The parts of a stored object that tell whether it grows a new generation, without making a tree of it.
#[derive(Deserialize)]
struct Outline<'a> {
    metadata: Generation,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Generation {
    generation: Option<i64>,
}

impl<'a> Outline<'a> {
    fn of(raw: &'a [u8]) -> Self {
        serde_json::from_slice(raw).expect("stored objects have metadata")
    }
}

fn object(resource: &'static Resource, value: &Value) -> Object {
    object_of(resource, encoded(value).into(), &value["metadata"])
}

fn object_of(resource: &'static Resource, raw: Bytes, metadata: &Value) -> Object {
    let labels = metadata["labels"].as_object().into_iter().flatten();
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    Object {
        key: Key { resource, namespace: text(metadata, "/namespace"), name: text(metadata, "/name") },
        uid: text(metadata, "/uid"),
        version: text(metadata, "/resourceVersion").parse().unwrap_or_default(),
        labels: labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        owners: owners.map(owner).collect(),
        deleting: metadata["deletionTimestamp"].is_string(),
        raw,
    }
}

fn owner(reference: &Value) -> Owner {
    Owner {
        kind: text(reference, "/kind"),
        name: text(reference, "/name"),
        uid: text(reference, "/uid"),
        controller: reference["controller"] == true,
        blocks_deletion: reference["blockOwnerDeletion"] == true,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use super::*;
    use crate::rehearsal::resource::of;

    fn config_map(name: &str, data: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "a"}, "data": {"k": data}})
    }

    #[test]
    fn what_was_acknowledged_is_there_after_a_crash_even_when_the_last_line_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let store = Store::open(&path).unwrap();
        let first = store.create(of("ConfigMap"), config_map("one", "1")).unwrap();
        store.create(of("ConfigMap"), config_map("two", "1")).unwrap();
        store.remove(&first).unwrap();
        let version = store.version();
        drop(store);
        File::options().append(true).open(&path).unwrap().write_all(b"{\"group\":\"\",\"plu").unwrap();

        let store = Store::open(&path).unwrap();
        let (objects, _) = store.list(of("ConfigMap"), Some("a"));
        assert_eq!(objects.iter().map(|object| object.key.name.as_str()).collect::<Vec<_>>(), ["two"]);
        assert_eq!(store.version(), version);
    }

    #[test]
    fn an_equal_value_changes_nothing_and_a_stale_base_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("log")).unwrap();
        let first = store.create(of("ConfigMap"), config_map("one", "1")).unwrap();
        assert_eq!(store.replace(&first, first.value()).unwrap().version, first.version);
        let mut changed = first.value();
        changed["data"]["k"] = json!("2");
        let second = store.replace(&first, changed.clone()).unwrap();
        assert!(second.version > first.version);
        assert_eq!(store.replace(&first, changed).unwrap_err(), Stale);
    }

    #[test]
    fn a_watch_that_lags_too_far_behind_is_told_to_list_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("log")).unwrap();
        let start = store.version();
        let mut object = store.create(of("ConfigMap"), config_map("one", "0")).unwrap();
        for n in 0..HISTORY {
            let mut value = object.value();
            value["data"]["k"] = json!(n.to_string() + "x");
            object = store.replace(&object, value).unwrap();
        }
        assert_eq!(store.changes_since(of("ConfigMap"), start).unwrap_err(), TooOld);
        let (changes, version) = store.changes_since(of("ConfigMap"), object.version - 1).unwrap();
        assert_eq!((changes.len(), version), (1, object.version));
    }
}
