//! Why a pod does not become ready, read from its status and events.

mod advice;
mod container;
pub mod k3s;
mod pending;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

pub use advice::{Advice, Workload, failure};

use crate::failure::Entry;

/// What keeps a pod from becoming ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub entry: &'static Entry,
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub container: Option<String>,
    /// The image, when it is what cannot be had.
    pub image: Option<String>,
    /// Causes in the cluster's words, the nearest first.
    pub because: Vec<String>,
    /// Whose last lines say more.
    pub log: Option<Log>,
    pub certainty: Certainty,
}

/// Which life of the container wrote the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    Current,
    Previous,
}

/// What it takes to believe that a finding does not pass by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Certainty {
    /// It was seen for this long.
    After(Duration),
    /// The same, while every other workload is ready or stuck itself: it may have waited for one of them.
    AfterOthers(Duration),
    /// A life that began at this time, after every other workload was ready or stuck, ended like this too.
    OnceOthersWereReady(Option<Timestamp>),
}

/// Says what keeps a pod from becoming ready; `None` if it is ready, or on its way as far as one can see.
///
/// `events` may be about other objects too.
pub fn diagnose(pod: &Value, events: &[Value]) -> Option<Finding> {
    let events = events_about(pod, events);
    container::diagnose(pod, &events).or_else(|| pending::diagnose(pod, &events))
}

/// Returns the messages of a controller that could not make its pods (quota, pod security, missing account), the
/// newest first. `owners` are the objects whose controller it is: the workload and its replica sets.
pub fn creation_refusals(owners: &[&Value], events: &[Value]) -> Vec<String> {
    let mut messages: Vec<_> = owners
        .iter()
        .flat_map(|owner| events_about(owner, events))
        .filter(|event| event["reason"] == "FailedCreate")
        .filter_map(|event| event["message"].as_str().map(String::from))
        .collect();
    messages.dedup();
    messages
}

impl Finding {
    fn new(entry: &'static Entry, pod: &Value, certainty: Certainty) -> Self {
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_string();
        Self {
            entry,
            namespace: text("namespace"),
            pod: text("name"),
            uid: text("uid"),
            container: None,
            image: None,
            because: Vec::new(),
            log: None,
            certainty,
        }
    }

    fn because(mut self, cause: impl Into<String>) -> Self {
        self.because.push(cause.into());
        self
    }
}

/// Returns the events about this object, the newest first.
fn events_about<'a>(object: &Value, events: &'a [Value]) -> Vec<&'a Value> {
    let uid = &object["metadata"]["uid"];
    let mut about: Vec<_> = events.iter().filter(|event| &event["involvedObject"]["uid"] == uid).collect();
    about.sort_by_key(|event| std::cmp::Reverse(time_of(event)));
    about
}

fn time_of(event: &Value) -> Option<Timestamp> {
    [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"], &event["firstTimestamp"]]
        .into_iter()
        .find_map(timestamp)
}

fn timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Returns the newest message with one of these reasons.
fn message<'a>(events: &[&'a Value], reasons: &[&str]) -> Option<&'a str> {
    let event = events.iter().find(|event| event["reason"].as_str().is_some_and(|reason| reasons.contains(&reason)))?;
    event["message"].as_str()
}

/// Returns when the last of these pods became ready.
pub fn last_became_ready<'a>(pods: impl IntoIterator<Item = &'a Value>) -> Option<Timestamp> {
    pods.into_iter()
        .filter_map(|pod| super::rollout::condition(pod, "Ready"))
        .filter(|ready| ready["status"] == "True")
        .filter_map(|ready| timestamp(&ready["lastTransitionTime"]))
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn case(status: Value, events: &[(&str, &str)], expected: &str) {
        let pod = json!({
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "u"},
            "spec": {"containers": [{"name": "web", "image": "x:1", "resources": {"limits": {"memory": "64Mi"}},
                "readinessProbe": {"periodSeconds": 5, "failureThreshold": 2}}]},
            "status": status
        });
        let events: Vec<_> = events
            .iter()
            .map(|(reason, message)| json!({"involvedObject": {"uid": "u"}, "reason": reason, "message": message}))
            .collect();
        let found =
            diagnose(&pod, &events).map(|finding| format!("{} {}", finding.entry.id, finding.because.join("; ")));
        assert_eq!(found.unwrap_or_default(), expected);
    }

    fn waiting(reason: &str, message: &str) -> Value {
        json!({"phase": "Pending", "containerStatuses": [
            {"name": "web", "ready": false, "state": {"waiting": {"reason": reason, "message": message}}}]})
    }

    #[test]
    fn images() {
        let pulled = ("Failed", "Failed to pull image \"x:1\": not found");
        case(waiting("ImagePullBackOff", "Back-off"), &[pulled], "DEP-001 Failed to pull image \"x:1\": not found");
        case(waiting("ErrImagePull", "denied"), &[], "DEP-001 denied");
        case(waiting("InvalidImageName", "bad name"), &[], "DEP-001 bad name");
        case(waiting("ContainerCreating", ""), &[], "");
    }

    #[test]
    fn configuration() {
        case(waiting("CreateContainerConfigError", "secret \"db\" not found"), &[], "DEP-005 secret \"db\" not found");
        case(
            waiting("ContainerCreating", ""),
            &[("FailedMount", "MountVolume.SetUp failed for volume \"c\" : configmap \"c\" not found")],
            "DEP-005 MountVolume.SetUp failed for volume \"c\" : configmap \"c\" not found",
        );
    }

    #[test]
    fn crashes() {
        let crashed = |terminated: Value| {
            json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 2,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": terminated}}]})
        };
        case(crashed(json!({"exitCode": 3})), &[], "DEP-002 container `web` ended with exit code 3 (2 restarts)");
        case(
            crashed(json!({"exitCode": 137, "reason": "OOMKilled"})),
            &[],
            "DEP-002 container `web` used more memory than its limit of 64Mi and was killed (2 restarts)",
        );
        case(
            crashed(json!({"exitCode": 137})),
            &[("Unhealthy", "Liveness probe failed: HTTP 500")],
            "DEP-002 Liveness probe failed: HTTP 500; container `web` ended with exit code 137 (2 restarts)",
        );
    }

    #[test]
    fn pending_pods() {
        let pending = |message: &str| {
            json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]})
        };
        case(
            pending("0/2 nodes are available: 2 Insufficient cpu."),
            &[],
            "DEP-003 0/2 nodes are available: 2 Insufficient cpu.",
        );
        let unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
        case(pending(unbound), &[], &format!("DEP-010 {unbound}"));
    }

    #[test]
    fn probes() {
        let running = |ready: bool| {
            json!({"phase": "Running", "containerStatuses": [
                {"name": "web", "ready": ready, "started": true, "state": {"running": {}}}]})
        };
        let probe = ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
        case(running(false), &[probe], &format!("DEP-004 {}", probe.1));
        case(running(false), &[], "DEP-004 container `web` runs and its readiness probe has not succeeded");
        case(running(true), &[], "");
    }
}
