//! The names by which an ordered fault may mean a pod.

use serde_json::Value;

use super::{
    super::{context::Context, requests::containers},
    image,
};
use crate::rehearsal::store::Object;

/// A pod, as somebody who orders a fault would name it.
pub struct Subject {
    namespace: String,
    names: Vec<String>,
    images: Vec<String>,
}

impl Subject {
    /// Collects the names of a pod: its own, its workload's, its `app` label, its images.
    pub fn of(cx: &Context, pod: &Object, value: &Value) -> Self {
        let images = ["containers", "initContainers"].into_iter().flat_map(|list| containers(&value["spec"], list));
        let images = images.filter_map(|container| container["image"].as_str()).flat_map(image::repository_names);
        let mut names = vec![pod.key.name.clone()];
        names.extend(workloads(cx, pod));
        for label in ["app", "app.kubernetes.io/name"] {
            names.extend(pod.labels.get(label).cloned());
        }
        Self { namespace: pod.key.namespace.clone(), names, images: images.collect() }
    }

    /// Returns whether one of the fault's names means this pod.
    pub fn hit_by(&self, faults: &[String]) -> bool {
        faults.iter().any(|fault| {
            let bare = fault.strip_prefix(&self.namespace).and_then(|rest| rest.strip_prefix('/')).unwrap_or(fault);
            self.names.iter().any(|name| name == bare) || self.images.iter().any(|image| image == fault)
        })
    }
}

/// Returns the names of the controllers above a pod: ReplicaSet and Deployment, Job and CronJob.
fn workloads(cx: &Context, pod: &Object) -> Vec<String> {
    let Some(owner) = pod.controller() else { return Vec::new() };
    let mut names = vec![owner.name.clone()];
    if matches!(owner.kind.as_str(), "ReplicaSet" | "Job")
        && let Some(middle) = cx.get(&owner.kind, &pod.key.namespace, &owner.name)
    {
        names.extend(middle.controller().map(|owner| owner.name.clone()));
    }
    names
}
