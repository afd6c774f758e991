//! StatefulSets: pods with names and volumes of their own, one after the other.

mod pods;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{context::Context, events::Event, index::Pod, queue::Controller, replicaset, revision};
use crate::rehearsal::store::Object;

const COMPONENT: &str = "statefulset-controller";

/// A StatefulSet with its pods.
struct Set {
    object: Arc<Object>,
    value: Value,
    /// By ordinal.
    pods: BTreeMap<i64, Arc<Pod>>,
    /// Name of the revision that is rolled out.
    update: String,
    /// Name of the revision that was complete last.
    current: String,
}

impl Set {
    fn replicas(&self) -> i64 {
        self.value["spec"]["replicas"].as_i64().unwrap_or(1)
    }

    fn start(&self) -> i64 {
        self.value["spec"]["ordinals"]["start"].as_i64().unwrap_or(0)
    }

    fn wants(&self, ordinal: i64) -> bool {
        (self.start()..self.start() + self.replicas()).contains(&ordinal)
    }

    fn ordered(&self) -> bool {
        self.value["spec"]["podManagementPolicy"] != "Parallel"
    }

    fn patience(&self) -> i64 {
        self.value["spec"]["minReadySeconds"].as_i64().unwrap_or(0)
    }

    fn partition(&self) -> i64 {
        self.value["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0)
    }

    fn updated(&self, pod: &Pod) -> bool {
        pod.label(revision::LABEL) == self.update
    }
}

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some(object) = cx.get("StatefulSet", namespace, name) else { return };
    let value = object.value();
    if object.deleting {
        return;
    }
    replicaset::adopt(cx, &object, &value["spec"]["selector"], |pod| pods::ordinal(&object, pod).is_some());
    let Some(update) = revision::ensure(cx, &object, &value) else { return };
    let update = update.key.name.clone();
    let current = value["status"]["currentRevision"].as_str().unwrap_or(&update).to_owned();
    let pods = cx.index.pods_of(&object.uid).into_iter();
    let pods = pods.filter_map(|pod| Some((pods::ordinal(&object, pod.name())?, pod))).collect();
    let set = Set { object, value, pods, update, current };
    let settled = pods::create_missing(cx, &set) && pods::delete_excess(cx, &set);
    if settled && set.value["spec"]["updateStrategy"]["type"] != "OnDelete" {
        pods::replace_outdated(cx, &set);
    }
    write_status(cx, &set);
    let used: Vec<_> = set.pods.values().map(|pod| pod.label(revision::LABEL)).collect();
    let kept: Vec<_> = used.into_iter().chain([set.update.as_str(), set.current.as_str()]).collect();
    revision::forget_old(cx, &set.object, &set.value, &kept);
}

fn write_status(cx: &mut Context, set: &Set) {
    let pods: Vec<_> = set.pods.values().filter(|pod| !pod.object.deleting).collect();
    let count = |holds: &dyn Fn(&Pod) -> bool| pods.iter().filter(|pod| holds(pod)).count();
    let updated = count(&|pod| set.updated(pod));
    let ready = count(&|pod| pod.ready);
    let available = count(&|pod| pod.available(set.patience()));
    let all = usize::try_from(set.replicas()).unwrap_or(0);
    let complete = updated == all && ready == all && pods.len() == all && set.partition() <= set.start();
    let current = if complete { &set.update } else { &set.current };
    let of_current = count(&|pod| pod.label(revision::LABEL) == current);
    let mut status = json!({
        "replicas": pods.len(),
        "availableReplicas": available,
        "observedGeneration": set.value["metadata"]["generation"],
        "collisionCount": 0,
        "currentRevision": current,
        "updateRevision": set.update,
    });
    for (key, count) in [("readyReplicas", ready), ("updatedReplicas", updated), ("currentReplicas", of_current)] {
        if count > 0 {
            status[key] = json!(count);
        }
    }
    cx.update_status(&set.object, status);
    if available < ready {
        let (namespace, name) = (&set.object.key.namespace, &set.object.key.name);
        cx.after(Controller::StatefulSet, namespace, name, Duration::from_secs(1));
    }
}

fn say(cx: &mut Context, set: &Set, reason: &str, message: String) {
    cx.event(&set.object, Event::normal(COMPONENT, reason, message));
}
