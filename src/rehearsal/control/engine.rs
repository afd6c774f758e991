//! The loop: take changes in, do the next piece of work, sleep until there is more.

use std::sync::Arc;

use tokio::sync::{mpsc::UnboundedReceiver, watch};

use super::{
    autoscaler, bootstrap, budget,
    context::Context,
    cronjob, daemonset, deployment, endpoints,
    events::Recorder,
    garbage,
    index::Index,
    job, kubelet, namespace, node,
    queue::{Controller, Queue, Work},
    replicaset, route, scheduler, statefulset, volume,
    world::World,
};
use crate::rehearsal::{
    resource::RESOURCES,
    store::{Change, ChangeKind, Store},
};

/// Runs the controllers until `stop` says so.
pub fn run(store: Arc<Store>, world: &World, stop: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a timer needs nothing that can be missing").block_on(drive(store, world, stop));
}

async fn drive(store: Arc<Store>, world: &World, mut stop: watch::Receiver<bool>) {
    let mut changes = store.subscribe();
    let mut world_changes = world.changes();
    let mut cx = Context {
        recorder: Recorder::of(&store),
        store,
        world: world.state(),
        index: Index::default(),
        queue: Queue::default(),
        kubelet: kubelet::Memory::default(),
        autoscaler: autoscaler::Memory::default(),
    };
    let known = learn(&mut cx);
    route::whole_world(&mut cx);
    cx.add(Controller::EventExpiry, "", "");
    loop {
        while !*stop.borrow() {
            take_in(&mut cx, &mut changes, known);
            if world_changes.has_changed().unwrap_or(false) {
                world_changes.mark_unchanged();
                route::world_changed(&mut cx, world.state());
            }
            let Some(work) = cx.queue.pop() else { break };
            reconcile(&mut cx, &work);
        }
        let due = cx.queue.next_due();
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            Some(change) = changes.recv() => observe(&mut cx, &change, known),
            Ok(()) = world_changes.changed() => route::world_changed(&mut cx, world.state()),
            () = timer => {}
        }
    }
}

/// Takes in what is stored already, as if it had just been added; returns the version up to which all is known.
fn learn(cx: &mut Context) -> u64 {
    let version = cx.store.version();
    for resource in RESOURCES {
        for object in cx.store.list(resource, None).0 {
            let change = Change { kind: ChangeKind::Added, object, previous: None };
            cx.index.observe(&change);
            route::changed(cx, &change);
        }
    }
    version
}

fn take_in(cx: &mut Context, changes: &mut UnboundedReceiver<Change>, known: u64) {
    while let Ok(change) = changes.try_recv() {
        observe(cx, &change, known);
    }
}

fn observe(cx: &mut Context, change: &Change, known: u64) {
    if change.object.version > known {
        cx.index.observe(change);
        route::changed(cx, change);
    }
}

fn reconcile(cx: &mut Context, work: &Work) {
    let (namespace, name) = (work.namespace.as_str(), work.name.as_str());
    match work.controller {
        Controller::Bootstrap => bootstrap::reconcile(cx),
        Controller::Budget => budget::reconcile(cx, namespace, name),
        Controller::Claim => volume::reconcile_claim(cx, namespace, name),
        Controller::CronJob => cronjob::reconcile(cx, namespace, name),
        Controller::DaemonSet => daemonset::reconcile(cx, namespace, name),
        Controller::Deployment => deployment::reconcile(cx, namespace, name),
        Controller::Endpoints => endpoints::reconcile(cx, namespace, name),
        Controller::EventExpiry => expire_events(cx),
        Controller::Garbage => garbage::reconcile(cx, namespace, name),
        Controller::Hpa => autoscaler::reconcile(cx, namespace, name),
        Controller::Job => job::reconcile(cx, namespace, name),
        Controller::Kubelet => kubelet::reconcile(cx, namespace, name),
        Controller::Namespace => namespace::reconcile(cx, name),
        Controller::Node => node::reconcile(cx, name),
        Controller::ReplicaSet => replicaset::reconcile(cx, namespace, name),
        Controller::Scheduler => scheduler::reconcile(cx),
        Controller::StatefulSet => statefulset::reconcile(cx, namespace, name),
        Controller::Volume => volume::reconcile_volume(cx, name),
    }
}

fn expire_events(cx: &mut Context) {
    cx.recorder.expire(&cx.store);
    cx.after(Controller::EventExpiry, "", "", std::time::Duration::from_secs(60));
}
