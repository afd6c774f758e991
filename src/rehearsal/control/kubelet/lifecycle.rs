//! How a pod ends, and what becomes of it when its node is lost.

use serde_json::json;

use super::{
    super::{
        condition::{self, Condition},
        context::Context,
        index::Pod,
        queue::Controller,
        requests::containers,
    },
    Told,
    memory::Wait,
    say, status,
};

/// Removes a pod that was deleted before it got a node.
pub fn drop_unbound(cx: &mut Context, pod: &Pod) {
    let finalizers = pod.object.value()["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
    if pod.object.deleting && !finalizers {
        let _ = cx.store.remove(&pod.object);
    }
}

/// Stops the containers of a deleted pod, then removes it; a finalizer keeps the stopped pod.
pub fn end(cx: &mut Context, pod: &Pod) {
    let mut value = pod.object.value();
    let pace = cx.world.pace.start;
    if !pod.ended() {
        match cx.kubelet.wait(&pod.object.uid, "", "stop", pace) {
            Wait::Begun(left) => {
                for container in containers(&value["spec"], "containers") {
                    let name = container["name"].as_str().unwrap_or_default();
                    let message = format!("Stopping container {name}");
                    let field = format!("spec.containers{{{name}}}");
                    say(cx, &pod.object, &pod.node, Told { warning: false, reason: "Killing", message, field });
                }
                return cx.after(Controller::Kubelet, pod.namespace(), pod.name(), left);
            }
            Wait::Going(left) => return cx.after(Controller::Kubelet, pod.namespace(), pod.name(), left),
            Wait::Over => {}
        }
    }
    let finalizers = value["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
    if !finalizers {
        cx.kubelet.forget(&pod.object.uid);
        let _ = cx.store.remove(&pod.object);
    } else if !pod.ended() {
        status::stop(&mut value);
        cx.update(&pod.object, value);
    }
}

/// The node does not answer: the pod counts as not ready, and pods that cannot wait are evicted.
pub fn lose(cx: &mut Context, pod: &Pod) {
    cx.kubelet.ready.remove(&pod.node);
    if pod.ready {
        let mut value = pod.object.value();
        condition::set(
            &mut value["status"],
            Condition { kind: "Ready", status: "False", reason: "NodeNotReady", message: "" },
        );
        value["status"]["conditions"].as_array_mut().into_iter().flatten().for_each(|condition| {
            if condition["lastProbeTime"].is_null() {
                condition["lastProbeTime"] = json!(null);
            }
        });
        cx.update(&pod.object, value);
    }
    evict(cx, pod);
}

/// Deletes a pod whose toleration of the lost node has run out, while some server is there to do so.
fn evict(cx: &mut Context, pod: &Pod) {
    if pod.object.deleting || pod.ended() || !cx.world.has_server() {
        return;
    }
    let Some(node) = cx.get("Node", "", &pod.node) else { return };
    let node = node.value();
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    let mut lost = taints.filter(|taint| taint["effect"] == "NoExecute" && taint["timeAdded"].is_string());
    let Some(taint) = lost.next() else { return };
    let value = pod.object.value();
    let tolerations = value["spec"]["tolerations"].as_array().into_iter().flatten();
    let tolerated = tolerations.filter(|one| {
        (one["key"] == taint["key"] || one["key"].is_null())
            && (one["effect"] == "NoExecute" || one["effect"].is_null())
    });
    let seconds = tolerated.map(|one| one["tolerationSeconds"].as_i64()).max_by_key(|one| one.unwrap_or(i64::MAX));
    let left = match seconds {
        Some(None) => return,
        Some(Some(seconds)) => seconds - condition::age(&taint["timeAdded"]),
        None => 0,
    };
    if left <= 0 {
        let message = format!("Marking for deletion Pod {}/{}", pod.namespace(), pod.name());
        let event = super::super::events::Event::normal("taint-eviction-controller", "TaintManagerEviction", message);
        cx.event(&pod.object, event);
        cx.delete(&pod.object);
    } else {
        let left = std::time::Duration::from_secs(left.unsigned_abs());
        cx.after(Controller::Kubelet, pod.namespace(), pod.name(), left);
    }
}
