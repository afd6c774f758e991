//! Rules of what runs pods.

use serde_json::Value;

use super::cron::schedule_problem;
use super::problems::{Problems, go_map, go_selector};
use super::{metadata, names, pod};
use crate::rehearsal::object::read::{has, integer, list, text};

const MISMATCH: &str = "`selector` does not match template `labels`";

pub fn deployment(object: &Value, problems: &mut Problems) {
    counts(object, &["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"], problems);
    selected_template(object, "empty selector is invalid for deployment", problems);
    rolling(object, "strategy", &["Recreate", "RollingUpdate"], "Recreate", problems);
    let (deadline, ready) =
        (integer(object, "/spec/progressDeadlineSeconds"), integer(object, "/spec/minReadySeconds"));
    if let Some(deadline) = deadline.filter(|deadline| *deadline <= ready.unwrap_or(0)) {
        problems.invalid("spec.progressDeadlineSeconds", &deadline.into(), "must be greater than minReadySeconds");
    }
}

pub fn replica_set(object: &Value, problems: &mut Problems) {
    counts(object, &["replicas", "minReadySeconds"], problems);
    selected_template(object, "empty selector is invalid for deployment", problems);
}

pub fn stateful_set(object: &Value, problems: &mut Problems) {
    counts(object, &["replicas", "minReadySeconds", "revisionHistoryLimit"], problems);
    selected_template(object, "empty selector is invalid for statefulset", problems);
    let policy = text(object, "/spec/podManagementPolicy");
    problems.one_of("spec.podManagementPolicy", policy, &["OrderedReady", "Parallel"]);
    let update = text(object, "/spec/updateStrategy/type");
    problems.one_of("spec.updateStrategy.type", update, &["OnDelete", "RollingUpdate"]);
    problems.not_negative(
        "spec.updateStrategy.rollingUpdate.partition",
        integer(object, "/spec/updateStrategy/rollingUpdate/partition"),
    );
}

pub fn daemon_set(object: &Value, problems: &mut Problems) {
    counts(object, &["minReadySeconds", "revisionHistoryLimit"], problems);
    selected_template(object, "empty selector is invalid for daemonset", problems);
    rolling(object, "updateStrategy", &["OnDelete", "RollingUpdate"], "OnDelete", problems);
}

pub fn job(object: &Value, problems: &mut Problems) {
    job_spec(object, "/spec", "spec", problems);
    if !has(object, "/spec/selector") && !text(object, "/metadata/uid").is_empty() {
        problems.required("spec.selector", "");
    }
}

pub fn cron_job(object: &Value, problems: &mut Problems) {
    let schedule = text(object, "/spec/schedule");
    if schedule.is_empty() {
        problems.required("spec.schedule", "");
    } else {
        problems.syntax("spec.schedule", schedule, schedule_problem(schedule));
    }
    let concurrency = text(object, "/spec/concurrencyPolicy");
    problems.one_of("spec.concurrencyPolicy", concurrency, &["Allow", "Forbid", "Replace"]);
    counts(object, &["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"], problems);
    job_spec(object, "/spec/jobTemplate/spec", "spec.jobTemplate.spec", problems);
}

fn job_spec(object: &Value, pointer: &str, path: &str, problems: &mut Problems) {
    for field in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"] {
        problems.not_negative(format!("{path}.{field}"), integer(object, &format!("{pointer}/{field}")));
    }
    let mode = text(object, &format!("{pointer}/completionMode"));
    problems.one_of(format!("{path}.completionMode"), mode, &["NonIndexed", "Indexed"]);
    if mode == "Indexed" && !has(object, &format!("{pointer}/completions")) {
        problems.required(format!("{path}.completions"), "when completion mode is Indexed");
    }
    let labels = object.pointer(&format!("{pointer}/template/metadata/labels"));
    let selector = format!("{pointer}/selector");
    if has(object, &selector) && !metadata::selects(object, &selector, labels) {
        problems.invalid_as(format!("{path}.template.metadata.labels"), &go_map(labels), MISMATCH);
    }
    template(object, pointer, path, problems);
    let restart = text(object, &format!("{pointer}/template/spec/restartPolicy"));
    let restart_path = format!("{path}.template.spec.restartPolicy");
    match restart {
        "" | "Always" => problems.required(restart_path, "valid values: \"OnFailure\", \"Never\""),
        other => problems.one_of(restart_path, other, &["OnFailure", "Never"]),
    }
}

fn counts(object: &Value, fields: &[&str], problems: &mut Problems) {
    for field in fields {
        problems.not_negative(format!("spec.{field}"), integer(object, &format!("/spec/{field}")));
    }
}

/// Checks the selector, that it selects the template, and the template.
fn selected_template(object: &Value, empty: &str, problems: &mut Problems) {
    let labels = object.pointer("/spec/template/metadata/labels");
    if has(object, "/spec/selector") {
        metadata::selector(object, "/spec/selector", "spec.selector", problems);
        if metadata::is_empty_selector(object, "/spec/selector") {
            problems.invalid_as("spec.selector", &go_selector(object.pointer("/spec/selector")), empty);
        }
    } else {
        problems.required("spec.selector", "");
    }
    // An absent selector selects nothing, an empty one everything.
    let nothing = !has(object, "/spec/selector");
    let everything = !nothing && metadata::is_empty_selector(object, "/spec/selector");
    if nothing || !everything && !metadata::selects(object, "/spec/selector", labels) {
        problems.invalid_as("spec.template.metadata.labels", &go_map(labels), MISMATCH);
    }
    template(object, "/spec", "spec", problems);
    let restart = text(object, "/spec/template/spec/restartPolicy");
    problems.one_of("spec.template.spec.restartPolicy", restart, &["Always"]);
    if has(object, "/spec/template/spec/activeDeadlineSeconds") {
        problems.forbidden(
            "spec.template.spec.activeDeadlineSeconds",
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        );
    }
}

fn template(object: &Value, pointer: &str, path: &str, problems: &mut Problems) {
    metadata::common(object, &format!("{pointer}/template"), &format!("{path}.template"), problems);
    let claims = list(object, &format!("{pointer}/volumeClaimTemplates"));
    pod::spec(object, &format!("{pointer}/template/spec"), &format!("{path}.template.spec"), claims, problems);
}

fn rolling(object: &Value, field: &str, types: &[&str], still: &str, problems: &mut Problems) {
    let kind = text(object, &format!("/spec/{field}/type"));
    problems.one_of(format!("spec.{field}.type"), kind, types);
    let rolling = format!("/spec/{field}/rollingUpdate");
    let path = format!("spec.{field}.rollingUpdate");
    if kind == still && has(object, &rolling) {
        if still == "Recreate" {
            problems.forbidden(path, "may not be specified when strategy `type` is 'Recreate'");
        }
        return;
    }
    let limits = ["maxUnavailable", "maxSurge"].map(|limit| (limit, object.pointer(&format!("{rolling}/{limit}"))));
    for (name, limit) in limits {
        number_or_percent(limit, format!("{path}.{name}"), problems);
    }
    let is_zero = |limit: Option<&Value>| limit.is_some_and(|limit| limit == 0 || limit == "0%");
    if limits.iter().all(|(_, limit)| is_zero(*limit)) {
        let zero = "intstr.IntOrString{Type:0, IntVal:0, StrVal:\"\"}";
        problems.invalid_as(format!("{path}.maxUnavailable"), zero, "may not be 0 when `maxSurge` is 0");
    }
}

/// Checks a number that may be a percentage.
pub fn number_or_percent(value: Option<&Value>, path: String, problems: &mut Problems) {
    match value {
        Some(Value::String(text)) => problems.syntax(&path, text, names::percent(text)),
        other => problems.not_negative(path, other.and_then(Value::as_i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepted, refused};
    use serde_json::{Value, json};

    fn workload(selector: Value, label: &str, restart: &str) -> Value {
        json!({"spec": {"selector": selector, "template": {"metadata": {"labels": {"app": label}},
            "spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "i"}]}}}})
    }

    #[test]
    fn a_selector_selects_its_template() {
        for kind in ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"] {
            let selector = || json!({"matchLabels": {"app": "a"}});
            accepted(kind, workload(selector(), "a", "Always"));
            let why = "[spec.selector: Required value, spec.template.metadata.labels: Invalid value: \
                       map[string]string{\"app\":\"a\"}: `selector` does not match template `labels`]";
            refused(kind, workload(Value::Null, "a", "Always"), why);
            let why = "spec.template.metadata.labels: Invalid value: map[string]string{\"app\":\"b\"}: `selector` does not match \
                       template `labels`";
            refused(kind, workload(selector(), "b", "Always"), why);
            let why = "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"";
            refused(kind, workload(selector(), "a", "Never"), why);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let why = "[spec.selector: Required value, spec.template.metadata.labels: Invalid value: \
                   map[string]string(nil): `selector` does not match template `labels`, \
                   spec.template.spec.containers: Required value]";
        refused("Deployment", json!({"spec": {}}), why);
    }

    #[test]
    fn a_rollout_must_be_able_to_move() {
        let mut object = workload(json!({"matchLabels": {"app": "a"}}), "a", "Always");
        object["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}});
        refused(
            "Deployment",
            object.clone(),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: intstr.IntOrString{Type:0, IntVal:0, StrVal:\"\"}: may \
             not be 0 when `maxSurge` is 0",
        );
        object["spec"]["strategy"] = json!({"type": "Blue"});
        let why = "spec.strategy.type: Unsupported value: \"Blue\": supported values: \"Recreate\", \"RollingUpdate\"";
        refused("Deployment", object.clone(), why);
        object["spec"]["strategy"] = json!({});
        object["spec"]["replicas"] = json!(-1);
        refused("Deployment", object, "spec.replicas: Invalid value: -1: must be greater than or equal to 0");
    }

    #[test]
    fn jobs_end() {
        let mut job = workload(Value::Null, "a", "Always");
        refused(
            "Job",
            job.clone(),
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
        );
        job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        accepted("Job", job.clone());
        let cron = |schedule: &str| json!({"spec": {"schedule": schedule, "jobTemplate": job}});
        accepted("CronJob", cron("*/5 * * * *"));
        refused(
            "CronJob",
            cron("often"),
            "spec.schedule: Invalid value: \"often\": expected exactly 5 fields, found 1: [often]",
        );
    }
}
