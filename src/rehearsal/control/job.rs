//! Jobs: pods that run until enough of them have succeeded.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    condition::{self, Condition},
    context::Context,
    events::Event,
    index::Pod,
    queue::Controller,
    template::{generated_pod, set_annotation, set_label},
};
use crate::rehearsal::store::Object;

const COMPONENT: &str = "job-controller";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What a Job's pods say.
struct Tally {
    active: Vec<Arc<Pod>>,
    succeeded: i64,
    failed: i64,
}

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some(job) = cx.get("Job", namespace, name) else { return };
    let value = job.value();
    let status = &value["status"];
    if job.deleting {
        return;
    }
    if condition::holds(status, "Complete") || condition::holds(status, "Failed") {
        return expire(cx, &job, &value);
    }
    let pods = cx.index.pods_of(&job.uid);
    let tally = tally(&pods, status);
    if value["spec"]["suspend"] == true {
        tally.active.iter().for_each(|pod| cx.delete(&pod.object));
        return write_status(cx, &job, &value, &tally, Some(("Suspended", "JobSuspended", "Job suspended")));
    }
    let outcome = outcome(cx, &job, &value, &tally);
    if outcome.is_some() {
        tally.active.iter().for_each(|pod| cx.delete(&pod.object));
    } else {
        create_missing(cx, &job, &value, &tally, &pods);
    }
    write_status(cx, &job, &value, &tally, outcome);
}

fn tally(pods: &[Arc<Pod>], status: &Value) -> Tally {
    let count = |phase: &str| pods.iter().filter(|pod| pod.phase == phase).count();
    let most =
        |phase: &str, key: &str| i64::try_from(count(phase)).unwrap_or(i64::MAX).max(status[key].as_i64().unwrap_or(0));
    let active = pods.iter().filter(|pod| pod.active()).cloned().collect();
    Tally { active, succeeded: most("Succeeded", "succeeded"), failed: most("Failed", "failed") }
}

/// Returns the condition that ends the Job: type, reason, message.
fn outcome<'a>(cx: &mut Context, job: &Object, value: &Value, tally: &Tally) -> Option<(&'a str, &'a str, &'a str)> {
    let spec = &value["spec"];
    let wanted = spec["completions"].as_i64();
    let enough = wanted.map_or(tally.succeeded > 0 && tally.active.is_empty(), |wanted| tally.succeeded >= wanted);
    if enough {
        return Some(("Complete", "CompletionsReached", "Reached expected number of succeeded pods"));
    }
    let restarts: i64 = match spec["template"]["spec"]["restartPolicy"] == "OnFailure" {
        true => tally.active.iter().map(|pod| restarts(pod)).sum(),
        false => 0,
    };
    if tally.failed + restarts > spec["backoffLimit"].as_i64().unwrap_or(6) {
        return Some(("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"));
    }
    let deadline = spec["activeDeadlineSeconds"].as_i64()?;
    let left = deadline - condition::age(&value["status"]["startTime"]);
    if left <= 0 && value["status"]["startTime"].is_string() {
        return Some(("Failed", "DeadlineExceeded", "Job was active longer than specified deadline"));
    }
    cx.after(Controller::Job, &job.key.namespace, &job.key.name, Duration::from_secs(left.unsigned_abs().max(1)));
    None
}

fn restarts(pod: &Pod) -> i64 {
    let value = pod.object.value();
    let statuses = value["status"]["containerStatuses"].as_array().into_iter().flatten();
    statuses.into_iter().filter_map(|status| status["restartCount"].as_i64()).sum()
}

fn create_missing(cx: &mut Context, job: &Object, value: &Value, tally: &Tally, pods: &[Arc<Pod>]) {
    let spec = &value["spec"];
    let parallel = spec["parallelism"].as_i64().unwrap_or(1);
    let left = match spec["completions"].as_i64() {
        Some(wanted) => wanted - tally.succeeded,
        None if tally.succeeded > 0 => 0,
        None => parallel,
    };
    let active = i64::try_from(tally.active.len()).unwrap_or(i64::MAX);
    let missing = parallel.min(left) - active;
    let waited = cx.world.pace.back_off.min(Duration::from_secs(1)) / 4;
    if missing <= 0 {
        return;
    }
    if tally.failed > 0 && !cx.kubelet.due(&job.uid, &format!("retry-{}", tally.failed), waited) {
        return cx.after(Controller::Job, &job.key.namespace, &job.key.name, waited);
    }
    let mut indexes = free_indexes(spec, pods).into_iter();
    for _ in 0..missing {
        let mut pod = generated_pod(job, &spec["template"]);
        label(&mut pod, job, spec["completionMode"] == "Indexed", indexes.next());
        if let Some(pod) = cx.create("Pod", pod) {
            let message = format!("Created pod: {}", pod.key.name);
            cx.event(job, Event::normal(COMPONENT, "SuccessfulCreate", message));
        }
    }
}

fn free_indexes(spec: &Value, pods: &[Arc<Pod>]) -> Vec<i64> {
    let taken = |index: &i64| {
        pods.iter()
            .any(|pod| pod.phase != "Failed" && pod.active() | pod.ended() && pod.label(INDEX) == index.to_string())
    };
    (0..spec["completions"].as_i64().unwrap_or(0)).filter(|index| !taken(index)).collect()
}

fn label(pod: &mut Value, job: &Object, indexed: bool, index: Option<i64>) {
    for (key, text) in [("controller-uid", &job.uid), ("job-name", &job.key.name)] {
        set_label(pod, key, text);
        set_label(pod, &format!("batch.kubernetes.io/{key}"), text);
    }
    if let Some(index) = index.filter(|_| indexed) {
        set_label(pod, INDEX, &index.to_string());
        set_annotation(pod, INDEX, &index.to_string());
        pod["metadata"]["name"] =
            json!(format!("{}-{index}-{}", job.key.name, crate::rehearsal::admission::random_suffix()));
        pod["spec"]["hostname"] = json!(format!("{}-{index}", job.key.name));
    }
}

fn write_status(cx: &mut Context, job: &Object, value: &Value, tally: &Tally, outcome: Option<(&str, &str, &str)>) {
    let mut status = value["status"].clone();
    if status["startTime"].is_null() {
        status["startTime"] = json!(condition::now());
    }
    let ended = outcome.is_some_and(|(kind, ..)| kind != "Suspended");
    let active = if outcome.is_some() { 0 } else { tally.active.len() };
    let ready = if outcome.is_some() { 0 } else { tally.active.iter().filter(|pod| pod.ready).count() };
    let counts = [("active", active as i64), ("succeeded", tally.succeeded), ("failed", tally.failed)];
    for (key, count) in counts {
        match count {
            0 => drop(status.as_object_mut().map(|status| status.remove(key))),
            count => status[key] = json!(count),
        }
    }
    status["ready"] = json!(ready);
    status["terminating"] = json!(0);
    status["uncountedTerminatedPods"] = json!({});
    if let Some((kind, reason, message)) = outcome {
        let forerunner = if kind == "Complete" { Some("SuccessCriteriaMet") } else { Some("FailureTarget") };
        for kind in forerunner.filter(|_| ended).into_iter().chain([kind]) {
            condition::set(&mut status, Condition { kind, status: "True", reason, message })["lastProbeTime"] =
                json!(condition::now());
        }
        if kind == "Complete" && status["completionTime"].is_null() {
            status["completionTime"] = json!(condition::now());
        }
    }
    if outcome.is_none() && condition::holds(&status, "Suspended") {
        let (reason, message) = ("JobResumed", "Job resumed");
        condition::set(&mut status, Condition { kind: "Suspended", status: "False", reason, message });
    }
    if !cx.update_status(job, status) {
        return;
    }
    match outcome {
        Some(("Complete", ..)) => cx.event(job, Event::normal(COMPONENT, "Completed", "Job completed")),
        Some(("Failed", reason, message)) => cx.event(job, Event::warning(COMPONENT, reason, message)),
        _ => {}
    }
}

/// Deletes a finished Job when its time to live is over.
fn expire(cx: &mut Context, job: &Object, value: &Value) {
    let Some(lifetime) = value["spec"]["ttlSecondsAfterFinished"].as_i64() else { return };
    let conditions = value["status"]["conditions"].as_array().into_iter().flatten();
    let ended = conditions.into_iter().find(|one| one["type"] == "Complete" || one["type"] == "Failed");
    let left = lifetime - ended.map_or(0, |ended| condition::age(&ended["lastTransitionTime"]));
    if left <= 0 {
        cx.delete(job);
    } else {
        cx.after(Controller::Job, &job.key.namespace, &job.key.name, Duration::from_secs(left.unsigned_abs()));
    }
}
