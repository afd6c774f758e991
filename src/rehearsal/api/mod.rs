//! The HTTP face of the rehearsal's Kubernetes API.
//!
//! A request goes `server` -> `dispatch` (token, route) -> one handler per verb; a write goes through `strategy` (what a
//! kind needs on its way in) to the store.

mod accept;
mod body;
mod create;
mod delete;
mod discovery;
mod dispatch;
mod eviction;
mod fields;
mod health;
mod list;
mod logs;
mod old_autoscaler;
mod openapi;
mod patch;
mod protobuf;
mod query;
mod reply;
mod review;
mod route;
mod scale;
mod selector;
mod server;
mod services;
mod strategy;
mod update;
mod watch;
mod write;

use std::{
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Request;
use serde_json::Value;

pub use dispatch::answer;
pub use reply::{Body, Reply, json, refuse, text};
pub use server::{connection, serve};

use super::store::Store;

/// How far the server machine is, as its API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// K3s does not run: every request is answered with 503.
    Stopped,
    /// The API answers, but `/readyz` does not say yes yet.
    Starting,
    /// All is well.
    Ready,
}

/// Returns what a container wrote: the pod as stored, the container's name.
pub type LogSource = Arc<dyn Fn(&Value, &str) -> String + Send + Sync>;

/// Answers the requests below `/rehearsal/v1/` or `/v1-k3s/`.
pub type Extension = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Reply> + Send + Sync>;

/// What the API serves, and how.
pub struct Api {
    pub store: Arc<Store>,
    /// The bearer token that every client must show.
    token: String,
    /// The CA's certificate as PEM, for `/cacerts`.
    ca: String,
    /// The K3s version that `/version` names, as `v1.33.5+k3s1`.
    version: RwLock<String>,
    phase: tokio::sync::watch::Sender<Phase>,
    latency_us: AtomicU64,
    logs: LogSource,
    extension: OnceLock<Extension>,
    supervisor: OnceLock<Extension>,
    /// Only clients with a certificate of this cluster, or the token, learn how the server is.
    private: bool,
    services: services::Allocator,
    openapi: openapi::Documents,
}

impl Api {
    /// Makes an API on a store, in [`Phase::Ready`].
    pub fn new(store: Arc<Store>, token: impl Into<String>, ca: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            store,
            token: token.into(),
            ca: ca.into(),
            version: RwLock::new(version.into()),
            phase: tokio::sync::watch::Sender::new(Phase::Ready),
            latency_us: AtomicU64::new(0),
            logs: Arc::new(logs::nothing_runs),
            extension: OnceLock::new(),
            supervisor: OnceLock::new(),
            private: false,
            services: services::Allocator::default(),
            openapi: openapi::Documents::default(),
        }
    }

    /// Adds this much time to each write, so that the server is as slow as one that waits for its disks.
    pub fn set_latency(&self, latency: Duration) {
        self.latency_us.store(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Says which K3s version `/version` names, as `v1.33.5+k3s1`.
    pub fn set_version(&self, version: impl Into<String>) {
        *self.version.write().unwrap_or_else(PoisonError::into_inner) = version.into();
    }

    fn version(&self) -> String {
        self.version.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says where container logs come from.
    pub fn with_logs(mut self, logs: LogSource) -> Self {
        self.logs = logs;
        self
    }

    /// Gives requests below `/rehearsal/v1/` to `extension`; said once.
    pub fn extend(&self, extension: Extension) {
        let _ = self.extension.set(extension);
    }

    /// Answers strangers nothing but `/ping` and `/cacerts`, as K3s does.
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Gives requests below `/v1-k3s/` to `supervisor`, which authenticates them itself; said once.
    pub fn supervise(&self, supervisor: Extension) {
        let _ = self.supervisor.set(supervisor);
    }

    /// Moves to another phase. Watches end when the API stops.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Returns the phase the API is in.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    async fn write_latency(&self) {
        let latency = self.latency_us.load(Ordering::Relaxed);
        if latency > 0 {
            tokio::time::sleep(Duration::from_micros(latency)).await;
        }
    }
}
