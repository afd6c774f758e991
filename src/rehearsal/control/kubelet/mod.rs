//! The simulated kubelets: every bound pod lives as on a real node, but no container runs.

mod config;
mod container;
mod image;
mod lifecycle;
mod memory;
mod status;
mod subject;

pub use memory::Memory;
pub use subject::Subject;

use std::time::Duration;

use serde_json::Value;

use super::{context::Context, events::Event, index::Pod, queue::Controller};
use crate::rehearsal::store::Object;
use memory::Wait;

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some(pod) = cx.index.get(namespace, name).cloned() else { return };
    if pod.node.is_empty() {
        return lifecycle::drop_unbound(cx, &pod);
    }
    if !cx.world.nodes.get(&pod.node).is_some_and(|node| node.running) {
        return lifecycle::lose(cx, &pod);
    }
    if !cx.kubelet.ready.contains(&pod.node) {
        return;
    }
    if pod.object.deleting {
        return lifecycle::end(cx, &pod);
    }
    if pod.ended() || (pod.ready && undisturbed(cx)) {
        return;
    }
    Sync::new(cx, &pod).run();
}

fn undisturbed(cx: &Context) -> bool {
    cx.world.faults.crash_loop.is_empty() && cx.world.faults.not_ready.is_empty()
}

/// One look at one pod: what happens to its containers now, and when to look again.
struct Sync<'a> {
    cx: &'a mut Context,
    pod: &'a Pod,
    value: Value,
    /// Told just before the new status is written.
    events: Vec<Told>,
    again: Option<Duration>,
    crashes: bool,
    unready: bool,
    rebooted: bool,
}

struct Told {
    warning: bool,
    reason: &'static str,
    message: String,
    field: String,
}

impl<'a> Sync<'a> {
    fn new(cx: &'a mut Context, pod: &'a Pod) -> Self {
        let value = pod.object.value();
        let subject = Subject::of(cx, &pod.object, &value);
        let crashes = subject.hit_by(&cx.world.faults.crash_loop);
        let unready = subject.hit_by(&cx.world.faults.not_ready);
        let rebooted = status::was_lost(&value["status"]);
        Self { cx, pod, value, events: Vec::new(), again: None, crashes, unready, rebooted }
    }

    fn run(mut self) {
        if self.value["status"]["startTime"].is_null() {
            self.admit();
        } else if self.volumes_are_there() {
            self.assign_address();
            self.advance();
            status::summarize(&mut self.value);
        }
        self.commit();
    }

    fn admit(&mut self) {
        let host = self.cx.world.nodes.get(&self.pod.node).map(|node| node.address.clone()).unwrap_or_default();
        status::admit(&mut self.value, &host);
        status::summarize(&mut self.value);
    }

    fn volumes_are_there(&mut self) -> bool {
        let Some((volume, cause)) = config::missing_volume(self.cx, &self.value) else { return true };
        let message = format!("MountVolume.SetUp failed for volume \"{volume}\" : {cause}");
        if self.cx.kubelet.first(self.uid(), &message) {
            self.tell(true, "FailedMount", message, "");
        }
        false
    }

    fn assign_address(&mut self) {
        if self.value["status"]["podIP"].is_string() {
            return;
        }
        let address = match self.value["spec"]["hostNetwork"] == true {
            true => self.value["status"]["hostIP"].as_str().unwrap_or_default().to_owned(),
            false => memory::free_address(self.cx, &self.pod.node),
        };
        self.value["status"]["podIPs"] = serde_json::json!([{"ip": address}]);
        self.value["status"]["podIP"] = serde_json::json!(address);
    }

    fn uid(&self) -> &'a str {
        &self.pod.object.uid
    }

    /// Waits for something that takes `delay`; asks to be looked at again when it is over.
    fn wait(&mut self, container: &str, stage: &str, delay: Duration) -> Wait {
        let wait = self.cx.kubelet.wait(self.uid(), container, stage, delay);
        if let Wait::Begun(left) | Wait::Going(left) = wait {
            self.again = Some(self.again.map_or(left, |again| again.min(left)));
        }
        wait
    }

    fn tell(&mut self, warning: bool, reason: &'static str, message: impl Into<String>, field: &str) {
        self.events.push(Told { warning, reason, message: message.into(), field: field.into() });
    }

    fn commit(self) {
        let Self { cx, pod, value, events, again, .. } = self;
        if !cx.is_newest(&pod.object) {
            return;
        }
        // Events first: who sees the new status shall find its cause already told.
        for told in events {
            say(cx, &pod.object, &pod.node, told);
        }
        cx.update(&pod.object, value);
        if let Some(again) = again {
            cx.after(Controller::Kubelet, pod.namespace(), pod.name(), again);
        }
    }
}

fn say(cx: &mut Context, pod: &Object, host: &str, told: Told) {
    let Told { warning, reason, message, field } = told;
    cx.event(pod, Event { warning, reason, message, component: "kubelet", host, field });
}
