//! What keeps a pod from getting as far as having containers.

use std::time::Duration;

use serde_json::Value;

use super::{Certainty, Finding, message};
use crate::{
    failure::{CONTAINER_CONFIG, POD_UNSCHEDULABLE, VOLUME_NOT_BOUND},
    plan::rollout::condition,
};

pub(super) fn diagnose(pod: &Value, events: &[&Value]) -> Option<Finding> {
    if pod["status"]["phase"] != "Pending" || !pod["metadata"]["deletionTimestamp"].is_null() {
        return None;
    }
    unscheduled(pod).or_else(|| unmounted(pod, events))
}

fn unscheduled(pod: &Value) -> Option<Finding> {
    let scheduled = condition(pod, "PodScheduled").filter(|scheduled| scheduled["status"] == "False")?;
    let words = scheduled["message"].as_str().unwrap_or("no node was found for it");
    let volume = words.contains("PersistentVolumeClaim") || words.contains("persistentvolumeclaim");
    let (entry, seconds) = if volume { (&VOLUME_NOT_BOUND, 15) } else { (&POD_UNSCHEDULABLE, 5) };
    Some(Finding::new(entry, pod, Certainty::After(Duration::from_secs(seconds))).because(words))
}

fn unmounted(pod: &Value, events: &[&Value]) -> Option<Finding> {
    let words = message(events, &["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"])?;
    let missing = words.contains("not found") && (words.contains("secret") || words.contains("configmap"));
    let (entry, seconds) = if missing { (&CONTAINER_CONFIG, 3) } else { (&VOLUME_NOT_BOUND, 30) };
    Some(Finding::new(entry, pod, Certainty::After(Duration::from_secs(seconds))).because(words))
}
