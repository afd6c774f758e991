//! Copies of a store: another process follows this one, change by change.

use std::{io, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Change, ChangeKind, Inner, Store, Table, Tables,
    log::{Line, encode, replay},
};

/// What a copy must take in to be as new as the store it came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Copy {
    /// The version that it leads to.
    pub version: u64,
    /// These lines are all there is; else they come after what the copy has.
    whole: bool,
    /// As in the log: one JSON document per line.
    lines: String,
}

impl Store {
    /// Returns what a copy at version `since` lacks, or everything when that is not known any more.
    ///
    /// # Errors
    /// Never, as long as what is stored is JSON.
    pub fn copy(&self, since: Option<u64>) -> io::Result<Copy> {
        let inner = self.lock();
        let changes = since.and_then(|since| inner.after(since));
        let mut lines = Vec::new();
        let whole = changes.is_none();
        match changes {
            Some(changes) => {
                for change in changes {
                    lines.extend(encode(&change.object, change.kind)?);
                }
            }
            None => {
                for object in inner.tables.values().flat_map(Table::values) {
                    lines.extend(encode(object, ChangeKind::Added)?);
                }
            }
        }
        let lines = String::from_utf8(lines).map_err(io::Error::other)?;
        Ok(Copy { version: inner.version, whole, lines })
    }

    /// Takes in what another store gave.
    ///
    /// # Errors
    /// When it is no copy, or the log cannot be written.
    pub fn follow(&self, copy: &Copy) -> io::Result<()> {
        let mut inner = self.lock();
        if copy.whole {
            inner.replace_all(copy)?;
        } else {
            for line in copy.lines.lines() {
                inner.take(line)?;
            }
        }
        inner.version = copy.version;
        self.latest.send_replace(inner.version);
        Ok(())
    }
}

impl Inner {
    /// Returns every change after a version in order, if all of them are known.
    fn after(&self, since: u64) -> Option<Vec<&Change>> {
        if since < self.opened
            || since > self.version
            || self.histories.values().any(|history| since < history.forgotten)
        {
            return None;
        }
        let changes = self.histories.values().flat_map(|history| &history.changes);
        let mut changes: Vec<_> = changes.filter(|change| change.object.version > since).collect();
        changes.sort_by_key(|change| change.object.version);
        Some(changes)
    }

    fn replace_all(&mut self, copy: &Copy) -> io::Result<()> {
        let mut tables = Tables::new();
        for line in copy.lines.lines() {
            replay(&mut tables, &serde_json::from_str(line)?)?;
        }
        self.log = self.log.rewritten(&tables, copy.version)?;
        self.tables = tables;
        self.histories.clear();
        self.opened = copy.version;
        Ok(())
    }

    fn take(&mut self, line: &str) -> io::Result<()> {
        let entry: Line = serde_json::from_str(line)?;
        let Some(object) = entry.object()?.map(Arc::new) else { return Ok(()) };
        let resource = object.key.resource;
        let table = self.tables.entry((resource.group, resource.plural)).or_default();
        let place = (object.key.namespace.clone(), object.key.name.clone());
        let previous = if entry.deleted { table.remove(&place) } else { table.insert(place, object.clone()) };
        let kind = match (entry.deleted, &previous) {
            (true, _) => ChangeKind::Deleted,
            (false, None) => ChangeKind::Added,
            (false, Some(_)) => ChangeKind::Modified,
        };
        self.log.append(&object, kind, previous.as_deref())?;
        self.version = object.version;
        self.remember(Change { kind, object, previous });
        self.compact();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::resource::of;
    use serde_json::json;

    fn create(store: &Store, name: &str) {
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "a"}});
        store.create(of("ConfigMap"), value).unwrap();
    }

    fn names(store: &Store) -> Vec<String> {
        store.list(of("ConfigMap"), None).0.iter().map(|object| object.key.name.clone()).collect()
    }

    #[test]
    fn a_copy_follows_first_as_a_whole_then_change_by_change_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        let original = Store::open(&folder.path().join("original")).unwrap();
        let copy = Store::open(&path).unwrap();
        create(&copy, "of-another-cluster");
        create(&original, "one");
        let whole = original.copy(None).unwrap();
        copy.follow(&whole).unwrap();
        assert_eq!((names(&copy), copy.version()), (names(&original), original.version()));
        create(&original, "two");
        let one = original.get(of("ConfigMap"), "a", "one").unwrap();
        original.remove(&one).unwrap();
        let more = original.copy(Some(copy.version())).unwrap();
        assert!(!more.whole);
        copy.follow(&more).unwrap();
        drop(copy);
        let copy = Store::open(&path).unwrap();
        assert_eq!((names(&copy), copy.version()), (vec!["two".to_owned()], original.version()));
        assert!(original.copy(Some(99)).unwrap().whole);
    }
}
