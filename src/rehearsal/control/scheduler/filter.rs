//! Whether one node can take one pod.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use super::super::{
    context::Context,
    index::Pod,
    quantity,
    requests::Requests,
    selector::{is_subset, matches, requirement},
};
use crate::rehearsal::store::Object;

/// Why a node cannot take a pod, in the scheduler's words.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    Unschedulable,
    Affinity,
    Taint(String),
    Insufficient(&'static str),
    TooManyPods,
    PodAffinity,
    PodAntiAffinity,
    VolumeAffinity,
    NoVolume,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unschedulable => f.write_str("node(s) were unschedulable"),
            Self::Affinity => f.write_str("node(s) didn't match Pod's node affinity/selector"),
            Self::Taint(taint) => write!(f, "node(s) had untolerated taint {taint}"),
            Self::Insufficient(resource) => write!(f, "Insufficient {resource}"),
            Self::TooManyPods => f.write_str("Too many pods"),
            Self::PodAffinity => f.write_str("node(s) didn't match pod affinity rules"),
            Self::PodAntiAffinity => f.write_str("node(s) didn't match pod anti-affinity rules"),
            Self::VolumeAffinity => f.write_str("node(s) had volume node affinity conflict"),
            Self::NoVolume => f.write_str("node(s) didn't find available persistent volumes to bind"),
        }
    }
}

/// A node with what is asked of it so far.
pub struct Candidate {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub used: Requests,
    taints: Value,
    unschedulable: bool,
    allocatable: Requests,
}

impl Candidate {
    pub fn new(node: &Object, used: Requests) -> Self {
        let mut value = node.value();
        let of = |name: &str| value["status"]["allocatable"][name].as_str().unwrap_or("0").to_owned();
        let allocatable = Requests {
            cpu: quantity::milli(&of("cpu")),
            memory: quantity::units(&of("memory")),
            pods: quantity::units(&of("pods")),
        };
        Self {
            name: node.key.name.clone(),
            labels: node.labels.clone(),
            used,
            unschedulable: value["spec"]["unschedulable"] == true,
            taints: value["spec"]["taints"].take(),
            allocatable,
        }
    }

    /// Checks everything but storage.
    ///
    /// # Errors
    /// The first reason the real scheduler would give.
    pub fn takes(&self, cx: &Context, pod: &Pod, value: &Value) -> Result<(), Refusal> {
        let spec = &value["spec"];
        let cordon = || serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
        if self.unschedulable && !tolerates(spec, &cordon()) {
            return Err(Refusal::Unschedulable);
        }
        if !self.matches_affinity(spec) {
            return Err(Refusal::Affinity);
        }
        if let Some(taint) = self.untolerated(spec) {
            return Err(Refusal::Taint(taint));
        }
        self.has_room(pod.requests)?;
        self.pod_affinity(cx, pod, &spec["affinity"])
    }

    /// Returns whether the node selector and the required node affinity match.
    pub fn matches_affinity(&self, spec: &Value) -> bool {
        let required = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        is_subset(&spec["nodeSelector"], &self.labels) && (required.is_null() || self.matches_terms(required))
    }

    /// Returns whether one of a node selector's terms matches.
    pub fn matches_terms(&self, selector: &Value) -> bool {
        let fields = BTreeMap::from([("metadata.name".to_owned(), self.name.clone())]);
        let all = |list: &Value, labels: &BTreeMap<String, String>| {
            list.as_array().into_iter().flatten().all(|one| requirement(one, labels))
        };
        let mut terms = selector["nodeSelectorTerms"].as_array().into_iter().flatten();
        terms.any(|term| all(&term["matchExpressions"], &self.labels) && all(&term["matchFields"], &fields))
    }

    /// Returns the first taint that keeps the pod away, as `{key: value}`.
    pub fn untolerated(&self, spec: &Value) -> Option<String> {
        let taints = self.taints.as_array().into_iter().flatten();
        let mut taints = taints.filter(|taint| taint["effect"] != "PreferNoSchedule");
        let taint = taints.find(|taint| !tolerates(spec, taint))?;
        let text = |key: &str| taint[key].as_str().unwrap_or_default().to_owned();
        Some(format!("{{{}: {}}}", text("key"), text("value")))
    }

    fn has_room(&self, asked: Requests) -> Result<(), Refusal> {
        let full = |asked: i64, used: i64, room: i64| asked > 0 && used + asked > room;
        if full(asked.pods, self.used.pods, self.allocatable.pods) {
            return Err(Refusal::TooManyPods);
        }
        if full(asked.cpu, self.used.cpu, self.allocatable.cpu) {
            return Err(Refusal::Insufficient("cpu"));
        }
        if full(asked.memory, self.used.memory, self.allocatable.memory) {
            return Err(Refusal::Insufficient("memory"));
        }
        Ok(())
    }

    fn pod_affinity(&self, cx: &Context, pod: &Pod, affinity: &Value) -> Result<(), Refusal> {
        let terms = |kind: &str| {
            let terms = &affinity[kind]["requiredDuringSchedulingIgnoredDuringExecution"];
            terms.as_array().into_iter().flatten()
        };
        for term in terms("podAntiAffinity") {
            if self.neighbours(cx, pod, term).0 {
                return Err(Refusal::PodAntiAffinity);
            }
        }
        for term in terms("podAffinity") {
            let (near, anywhere) = self.neighbours(cx, pod, term);
            let first_of_its_kind = !anywhere && matches(&term["labelSelector"], &pod.object.labels);
            if !near && !first_of_its_kind {
                return Err(Refusal::PodAffinity);
            }
        }
        Ok(())
    }

    /// Returns whether a pod that the term selects runs in this node's topology domain, and whether one runs anywhere.
    fn neighbours(&self, cx: &Context, pod: &Pod, term: &Value) -> (bool, bool) {
        let topology = term["topologyKey"].as_str().unwrap_or_default();
        let selected = cx.index.pods_in(pod.namespace());
        let selected = selected.filter(|other| {
            !other.node.is_empty() && other.active() && matches(&term["labelSelector"], &other.object.labels)
        });
        let mut anywhere = false;
        for other in selected {
            anywhere = true;
            let domain = match other.node == self.name {
                true => return (true, true),
                false => cx.get("Node", "", &other.node).and_then(|node| node.labels.get(topology).cloned()),
            };
            if domain.is_some() && domain.as_ref() == self.labels.get(topology) {
                return (true, true);
            }
        }
        (false, anywhere)
    }
}

/// Returns whether a pod's tolerations cover a taint.
pub fn tolerates(spec: &Value, taint: &Value) -> bool {
    spec["tolerations"].as_array().into_iter().flatten().any(|toleration| {
        let same = |key: &str| toleration[key].as_str().unwrap_or_default() == taint[key].as_str().unwrap_or_default();
        let absent = |key: &str| toleration[key].as_str().unwrap_or_default().is_empty();
        let exists = toleration["operator"] == "Exists";
        (absent("effect") || same("effect")) && ((absent("key") && exists) || same("key")) && (exists || same("value"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerations_cover_taints_by_key_value_and_effect() {
        let taint = json!({"key": "gpu", "value": "yes", "effect": "NoSchedule"});
        let case = |toleration: Value| tolerates(&json!({"tolerations": [toleration]}), &taint);
        assert!(case(json!({"operator": "Exists"})));
        assert!(case(json!({"key": "gpu", "value": "yes"})));
        assert!(!case(json!({"key": "gpu", "value": "no"})));
        assert!(case(json!({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"})));
        assert!(!case(json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute"})));
        assert!(!tolerates(&json!({}), &taint));
    }
}
