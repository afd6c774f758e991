//! The controllers, the scheduler and the simulated kubelets of the rehearsal cluster.
//!
//! One thread takes work from a queue and calls small synchronous reconcilers. Each decides from what is stored now, so
//! after a crash at any moment everything converges from the stored objects alone.

mod addons;
mod autoscaler;
mod bootstrap;
mod budget;
mod condition;
mod context;
mod cronjob;
mod daemonset;
mod deployment;
mod endpoints;
mod engine;
mod events;
mod garbage;
mod index;
mod job;
mod kubelet;
pub mod logs;
mod namespace;
mod node;
mod quantity;
mod queue;
mod replicaset;
mod requests;
mod revision;
mod route;
mod scheduler;
mod selector;
mod statefulset;
mod template;
#[allow(clippy::disallowed_methods, reason = "the test waits for a thread")]
#[cfg(test)]
mod testing;
#[allow(clippy::disallowed_methods, reason = "the test waits for a thread")]
#[cfg(test)]
mod tests;
mod volume;
pub mod world;

use std::{sync::Arc, thread::JoinHandle};

use tokio::sync::watch;

use super::store::Store;
use world::World;

/// The running controllers; dropping it stops them.
pub struct Control {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the controllers on a thread of their own. Tell `world` of the machines first: a node of which nothing is known
/// counts as stopped.
pub fn start(store: Arc<Store>, world: Arc<World>) -> Control {
    let (stop, stopped) = watch::channel(false);
    let thread = std::thread::Builder::new().name("control".into()).spawn(move || engine::run(store, &world, stopped));
    Control { stop, thread: Some(thread.expect("the system has room for one more thread")) }
}

impl Control {
    /// Stops the controllers and waits until the piece of work at hand is done.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.end();
    }
}
