//! CronJobs: a Job at each time of the schedule.

use std::{str::FromStr, sync::Arc, time::Duration};

use croner::Cron;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    condition,
    context::{Context, controlled_by, new_object},
    events::Event,
    queue::Controller,
};
use crate::rehearsal::store::Object;

const COMPONENT: &str = "cronjob-controller";
/// Missed times before this many seconds ago are not looked for one by one.
const MEMORY: i64 = 7 * 24 * 3600;

pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some(cron) = cx.get("CronJob", namespace, name) else { return };
    if cron.deleting {
        return;
    }
    let value = cron.value();
    let mut jobs = cx.dependents(&cron.uid, "Job");
    jobs.sort_by_key(|job| (job.value()["metadata"]["creationTimestamp"].to_string(), job.version));
    forget_old(cx, &value, &jobs);
    let mut status = value["status"].clone();
    let active: Vec<_> = jobs.iter().filter(|job| !ended(job)).collect();
    if value["spec"]["suspend"] != true {
        match schedule(&value) {
            Ok((schedule, zone)) => run(cx, &cron, &value, &schedule, &zone, &active, &mut status),
            Err(message) => cx.event(&cron, Event::warning(COMPONENT, "UnparseableSchedule", message)),
        }
    }
    write_status(cx, &cron, &jobs, status);
}

fn ended(job: &Object) -> bool {
    succeeded(job) || condition::holds(&job.value()["status"], "Failed")
}

fn succeeded(job: &Object) -> bool {
    condition::holds(&job.value()["status"], "Complete")
}

fn schedule(value: &Value) -> Result<(Cron, TimeZone), String> {
    let text = value["spec"]["schedule"].as_str().unwrap_or_default();
    let cron = Cron::from_str(text).map_err(|error| format!("unparseable schedule: {text:?} : {error}"))?;
    let zone = match value["spec"]["timeZone"].as_str() {
        Some(name) => TimeZone::get(name).map_err(|error| format!("invalid timeZone: {name:?}: {error}"))?,
        None => TimeZone::UTC,
    };
    Ok((cron, zone))
}

/// Returns the newest time of the schedule after `since` that has come, and the next one.
fn times(cron: &Cron, zone: &TimeZone, since: Timestamp, now: Timestamp) -> (Option<Zoned>, Option<Zoned>) {
    let since = since.max(Timestamp::from_second(now.as_second() - MEMORY).unwrap_or(since));
    let mut due = None;
    let mut at = since.to_zoned(zone.clone());
    while let Ok(next) = cron.find_next_occurrence(&at, false) {
        if next.timestamp() > now {
            return (due, Some(next));
        }
        due = Some(next.clone());
        at = next;
    }
    (due, None)
}

fn run(
    cx: &mut Context,
    cron: &Object,
    value: &Value,
    schedule: &Cron,
    zone: &TimeZone,
    active: &[&Arc<Object>],
    status: &mut Value,
) {
    let last = status["lastScheduleTime"].as_str().or_else(|| value["metadata"]["creationTimestamp"].as_str());
    let Some(last) = last.and_then(|last| last.parse().ok()) else { return };
    let now = Timestamp::now();
    let (due, next) = times(schedule, zone, last, now);
    if let Some(next) = next {
        let wait = u64::try_from(next.timestamp().as_millisecond() - now.as_millisecond()).unwrap_or(0) + 5;
        cx.after(Controller::CronJob, &cron.key.namespace, &cron.key.name, Duration::from_millis(wait));
    }
    let Some(due) = due else { return };
    let late = now.as_second() - due.timestamp().as_second();
    if value["spec"]["startingDeadlineSeconds"].as_i64().is_some_and(|deadline| late > deadline) {
        return cx.event(
            cron,
            Event::warning(COMPONENT, "MissSchedule", format!("Missed scheduled time to start a job: {due}")),
        );
    }
    match value["spec"]["concurrencyPolicy"].as_str() {
        Some("Forbid") if !active.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
            return cx.event(cron, Event::normal(COMPONENT, "JobAlreadyActive", message));
        }
        Some("Replace") => active.iter().for_each(|job| cx.delete(job)),
        _ => {}
    }
    start(cx, cron, value, &due);
    status["lastScheduleTime"] = json!(due.timestamp().to_string());
}

fn start(cx: &mut Context, cron: &Object, value: &Value, due: &Zoned) {
    let name = format!("{}-{}", cron.key.name, due.timestamp().as_second() / 60);
    let mut job = new_object("Job", &cron.key.namespace, &name);
    let template = &value["spec"]["jobTemplate"];
    for part in ["labels", "annotations"] {
        if template["metadata"][part].is_object() {
            job["metadata"][part] = template["metadata"][part].clone();
        }
    }
    super::template::set_annotation(
        &mut job,
        "batch.kubernetes.io/cronjob-scheduled-timestamp",
        &due.timestamp().to_string(),
    );
    job["metadata"]["ownerReferences"] = controlled_by(cron);
    job["spec"] = template["spec"].clone();
    job["status"] = json!({});
    if cx.create_sparse("Job", select(job)).is_some() {
        cx.event(cron, Event::normal(COMPONENT, "SuccessfulCreate", format!("Created job {name}")));
    }
}

/// Gives a Job the selector that the API server would generate.
fn select(mut job: Value) -> Value {
    let name = job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let label = "batch.kubernetes.io/job-name";
    super::template::set_label(&mut job["spec"]["template"], label, &name);
    if job["spec"]["selector"].is_null() {
        job["spec"]["selector"] = json!({"matchLabels": {label: name}});
    }
    job
}

fn write_status(cx: &Context, cron: &Object, jobs: &[Arc<Object>], mut status: Value) {
    if status.is_null() {
        status = json!({});
    }
    let active = jobs.iter().filter(|job| !ended(job) && !job.deleting).map(|job| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "name": job.key.name, "namespace": job.key.namespace,
            "uid": job.uid, "resourceVersion": job.version.to_string(),
        })
    });
    let active: Vec<_> = active.collect();
    match active.is_empty() {
        true => drop(status.as_object_mut().map(|status| status.remove("active"))),
        false => status["active"] = Value::Array(active),
    }
    let last = jobs.iter().filter(|job| succeeded(job)).map(|job| job.value()["status"]["completionTime"].take());
    let last = last.filter_map(|time| time.as_str().map(str::to_owned)).max();
    if let Some(last) = last {
        status["lastSuccessfulTime"] = json!(last);
    }
    cx.update_status(cron, status);
}

fn forget_old(cx: &Context, value: &Value, jobs: &[Arc<Object>]) {
    let keep =
        |key: &str, default: u64| usize::try_from(value["spec"][key].as_u64().unwrap_or(default)).unwrap_or(usize::MAX);
    let groups = [(true, keep("successfulJobsHistoryLimit", 3)), (false, keep("failedJobsHistoryLimit", 1))];
    for (good, limit) in groups {
        let group: Vec<_> = jobs.iter().filter(|job| ended(job) && succeeded(job) == good && !job.deleting).collect();
        group.iter().take(group.len().saturating_sub(limit)).for_each(|job| cx.delete(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_missed_times_only_the_newest_counts() {
        let cron = Cron::from_str("*/5 * * * *").unwrap();
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (due, next) = times(&cron, &TimeZone::UTC, time("2026-01-01T00:01:00Z"), time("2026-01-01T00:17:00Z"));
        assert_eq!(due.unwrap().timestamp(), time("2026-01-01T00:15:00Z"));
        assert_eq!(next.unwrap().timestamp(), time("2026-01-01T00:20:00Z"));
    }
}
