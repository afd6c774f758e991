//! Watching a collection.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::{sync::watch::Receiver, time::Instant};

use super::{
    Api, Phase,
    accept::Shape,
    list::{Filter, as_table, include, metadata_only, select},
    query::Query,
    reply::{self, JSON, Reply},
    route::Target,
};
use crate::rehearsal::{
    object::{status::Status, table::IncludeObject},
    store::{Change, ChangeKind, Object},
};

/// How long a watch lasts when the client does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

/// Answers with the changes of a collection, as they happen.
///
/// # Errors
/// 400 for wrong parameters.
pub(super) fn watch(api: Arc<Api>, target: Target, query: &Query, shape: Shape) -> Result<Reply, Status> {
    let filter = Filter::parse(&target, query)?;
    let encoder = Encoder { target: target.clone(), shape, include: include(query)?, columns_sent: false };
    let timeout = query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let latest = api.store.latest();
    let phase = api.phase.subscribe();
    let mut watch = Watch {
        version: 0,
        filter,
        encoder,
        bookmarks: query.flag("allowWatchBookmarks"),
        deadline: Instant::now() + timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs),
        next_bookmark: Instant::now() + BOOKMARK_INTERVAL,
        first: Some(Bytes::new()),
        ended: false,
        latest,
        phase,
        api,
    };
    watch.start(query)?;
    let chunks =
        futures::stream::unfold(watch, |mut watch| async move { watch.next().await.map(|chunk| (chunk, watch)) });
    Ok(reply::stream(JSON, chunks))
}

struct Watch {
    api: Arc<Api>,
    filter: Filter,
    encoder: Encoder,
    /// Changes up to this version were sent.
    version: u64,
    bookmarks: bool,
    deadline: Instant,
    next_bookmark: Instant,
    /// What the client gets before any change. Even an empty one makes the response's headers go out.
    first: Option<Bytes>,
    ended: bool,
    latest: Receiver<u64>,
    phase: Receiver<Phase>,
}

impl Watch {
    fn start(&mut self, query: &Query) -> Result<(), Status> {
        let initial = query.flag("sendInitialEvents");
        let version = query.number::<u64>("resourceVersion")?.unwrap_or(0);
        if version > 0 && !initial {
            self.version = version;
            return Ok(());
        }
        let (objects, version) = select(&self.api, &self.encoder.target, &self.filter);
        self.version = version;
        let mut chunk = BytesMut::new();
        for object in objects {
            self.encoder.event(&mut chunk, "ADDED", &object);
        }
        if initial && self.bookmarks {
            self.encoder.bookmark(&mut chunk, version, true);
        }
        self.first = Some(chunk.freeze());
        Ok(())
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some(first);
        }
        loop {
            if self.ended || *self.phase.borrow() == Phase::Stopped {
                return None;
            }
            self.latest.borrow_and_update();
            let chunk = self.changes();
            if !chunk.is_empty() {
                return Some(chunk);
            }
            tokio::select! {
                changed = self.latest.changed() => self.ended = changed.is_err(),
                changed = self.phase.changed() => self.ended = changed.is_err(),
                () = tokio::time::sleep_until(self.deadline) => return None,
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark = Instant::now() + BOOKMARK_INTERVAL;
                    let mut chunk = BytesMut::new();
                    self.encoder.bookmark(&mut chunk, self.version, false);
                    return Some(chunk.freeze());
                }
            }
        }
    }

    fn changes(&mut self) -> Bytes {
        let mut chunk = BytesMut::new();
        match self.api.store.changes_since(self.encoder.target.resource, self.version) {
            // A version of the future comes from another life of this cluster.
            Ok((changes, version)) if version >= self.version => {
                for change in &changes {
                    self.change(&mut chunk, change);
                }
                self.version = version;
            }
            _ => {
                let oldest = format!("too old resource version: {} ({})", self.version, self.api.store.version());
                line(&mut chunk, "ERROR", Status::gone(oldest).to_value().to_string().as_bytes());
                self.ended = true;
            }
        }
        chunk.freeze()
    }

    fn change(&mut self, chunk: &mut BytesMut, change: &Change) {
        let namespace = self.encoder.target.namespace.as_deref();
        if namespace.is_some_and(|namespace| namespace != change.object.key.namespace) {
            return;
        }
        let was = change.previous.as_ref().is_some_and(|previous| self.filter.matches(previous));
        let is = change.kind != ChangeKind::Deleted && self.filter.matches(&change.object);
        let kind = match (was, is) {
            (false, false) => return,
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
        };
        self.encoder.event(chunk, kind, &change.object);
    }
}

struct Encoder {
    target: Target,
    shape: Shape,
    include: IncludeObject,
    /// Only the first table of a watch describes its columns.
    columns_sent: bool,
}

impl Encoder {
    fn event(&mut self, chunk: &mut BytesMut, kind: &str, object: &Object) {
        match self.shape {
            Shape::Object => line(chunk, kind, &object.raw),
            Shape::Metadata => line(chunk, kind, &metadata_only(&object.raw)),
            Shape::Table => {
                let table = as_table(self.target.resource, std::iter::once(&object.raw), self.include);
                self.table(chunk, kind, table, object.version);
            }
        }
    }

    fn table(&mut self, chunk: &mut BytesMut, kind: &str, mut table: Value, version: u64) {
        table["metadata"] = json!({"resourceVersion": version.to_string()});
        if std::mem::replace(&mut self.columns_sent, true) {
            table["columnDefinitions"] = Value::Null;
        }
        line(chunk, kind, table.to_string().as_bytes());
    }

    fn bookmark(&mut self, chunk: &mut BytesMut, version: u64, initial_events_end: bool) {
        let mut metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        if initial_events_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let resource = self.target.resource;
        let (api_version, kind) = match self.shape {
            Shape::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata"),
            _ => (resource.api_version(), resource.kind),
        };
        let object = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        if self.shape != Shape::Table {
            return line(chunk, "BOOKMARK", object.to_string().as_bytes());
        }
        let raw = Bytes::from(object.to_string());
        let mut table = as_table(resource, std::iter::once(&raw), IncludeObject::Metadata);
        table["rows"][0]["object"]["metadata"] = object["metadata"].clone();
        self.table(chunk, "BOOKMARK", table, version);
    }
}

fn line(chunk: &mut BytesMut, kind: &str, object: &[u8]) {
    chunk.extend_from_slice(b"{\"type\":\"");
    chunk.extend_from_slice(kind.as_bytes());
    chunk.extend_from_slice(b"\",\"object\":");
    chunk.extend_from_slice(object);
    chunk.extend_from_slice(b"}\n");
}
