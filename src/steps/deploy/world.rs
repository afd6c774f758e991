//! The pods, replica sets and events around a workload.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    effects::kube::{Kube, KubeError},
    failure::Failure,
    plan::selector,
};

/// What the namespaces of the unready workloads hold.
#[derive(Default)]
pub struct World {
    pub pods: Vec<Value>,
    replica_sets: Vec<Value>,
    /// By the uid of the object they are about: there may be thousands of both.
    events: HashMap<String, Vec<Value>>,
}

impl World {
    /// Adds what a namespace holds.
    pub async fn add(&mut self, kube: &dyn Kube, namespace: &str) -> Result<(), Failure> {
        let list = async |api_version: &str, kind: &str| match kube.list(api_version, kind, Some(namespace), "").await {
            Err(KubeError::NoSuchKind(_) | KubeError::NotFound(_)) => Ok(Vec::new()),
            list => list.map_err(|error| error.into_failure(format!("cannot list objects of kind {kind}"))),
        };
        let (pods, replica_sets, events) =
            futures::try_join!(list("v1", "Pod"), list("apps/v1", "ReplicaSet"), list("v1", "Event"))?;
        self.pods.extend(pods);
        self.replica_sets.extend(replica_sets);
        for event in events {
            let about = event["involvedObject"]["uid"].as_str().unwrap_or_default().into();
            self.events.entry(about).or_default().push(event);
        }
        Ok(())
    }

    pub fn events_about(&self, object: &Value) -> &[Value] {
        self.events.get(&uid(object)).map_or(&[], Vec::as_slice)
    }

    pub fn replica_sets_of(&self, object: &Value) -> impl Iterator<Item = &Value> {
        let uid = uid(object);
        self.replica_sets.iter().filter(move |set| {
            set["metadata"]["ownerReferences"]
                .as_array()
                .is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid.as_str()))
        })
    }

    /// Returns the pods of a workload's newest revision: what is wrong with older ones is being replaced.
    pub fn pods_of<'w>(&'w self, object: &'w Value) -> impl Iterator<Item = &'w Value> {
        let newest = self.newest_revision(object);
        self.all_pods_of(object).filter(move |pod| newest.as_ref().is_none_or(|newest| has_label(pod, newest)))
    }

    /// Returns the pods of a workload's older revisions.
    pub fn old_pods_of<'w>(&'w self, object: &'w Value) -> impl Iterator<Item = &'w Value> {
        let newest = self.newest_revision(object);
        self.all_pods_of(object).filter(move |pod| newest.as_ref().is_some_and(|newest| !has_label(pod, newest)))
    }

    fn all_pods_of<'w>(&'w self, object: &'w Value) -> impl Iterator<Item = &'w Value> {
        let metadata = &object["metadata"];
        self.pods.iter().filter(move |pod| match object["kind"] == "Pod" {
            true => pod["metadata"]["uid"] == metadata["uid"],
            false => {
                pod["metadata"]["namespace"] == metadata["namespace"]
                    && selector::matches(&object["spec"]["selector"], pod)
            }
        })
    }

    fn newest_revision(&self, object: &Value) -> Option<(&'static str, String)> {
        const REVISION: &str = "deployment.kubernetes.io/revision";
        let (label, value) = match object["kind"].as_str()? {
            "Deployment" => {
                let newest = &object["metadata"]["annotations"][REVISION];
                let set =
                    self.replica_sets_of(object).find(|set| &set["metadata"]["annotations"][REVISION] == newest)?;
                ("pod-template-hash", &set["metadata"]["labels"]["pod-template-hash"])
            }
            "StatefulSet" => ("controller-revision-hash", &object["status"]["updateRevision"]),
            _ => return None,
        };
        Some((label, value.as_str()?.into()))
    }
}

fn has_label(pod: &Value, (label, value): &(&'static str, String)) -> bool {
    pod["metadata"]["labels"][*label] == value.as_str()
}

/// Returns `metadata.uid`.
pub fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().into()
}
