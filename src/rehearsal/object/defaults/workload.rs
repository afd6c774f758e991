//! Defaults of what runs pods.

use serde_json::{Value, json};

use super::super::read::{has, text};
use super::{at, maps, pod::pod_spec};

pub fn deployment(object: &mut Value) {
    template(object, "/spec");
    at(
        object,
        "/spec",
        &[
            ("progressDeadlineSeconds", json!(600)),
            ("replicas", json!(1)),
            ("revisionHistoryLimit", json!(10)),
            ("strategy", json!({})),
        ],
    );
    at(object, "/spec/strategy", &[("type", json!("RollingUpdate"))]);
    if text(object, "/spec/strategy/type") == "RollingUpdate" {
        at(object, "/spec/strategy", &[("rollingUpdate", json!({}))]);
        at(object, "/spec/strategy/rollingUpdate", &[("maxSurge", json!("25%")), ("maxUnavailable", json!("25%"))]);
    }
}

pub fn replica_set(object: &mut Value) {
    template(object, "/spec");
    at(object, "/spec", &[("replicas", json!(1))]);
}

pub fn stateful_set(object: &mut Value) {
    template(object, "/spec");
    at(
        object,
        "/spec",
        &[
            ("podManagementPolicy", json!("OrderedReady")),
            ("replicas", json!(1)),
            ("revisionHistoryLimit", json!(10)),
            ("updateStrategy", json!({})),
            ("persistentVolumeClaimRetentionPolicy", json!({})),
        ],
    );
    at(
        object,
        "/spec/persistentVolumeClaimRetentionPolicy",
        &[("whenDeleted", json!("Retain")), ("whenScaled", json!("Retain"))],
    );
    at(object, "/spec/updateStrategy", &[("type", json!("RollingUpdate"))]);
    if text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
        at(object, "/spec/updateStrategy", &[("rollingUpdate", json!({}))]);
        at(object, "/spec/updateStrategy/rollingUpdate", &[("partition", json!(0))]);
    }
    for claim in object.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut).into_iter().flatten() {
        at(
            claim,
            "",
            &[
                ("apiVersion", json!("v1")),
                ("kind", json!("PersistentVolumeClaim")),
                ("status", json!({"phase": "Pending"})),
            ],
        );
        at(claim, "/spec", &[("volumeMode", json!("Filesystem"))]);
    }
}

pub fn daemon_set(object: &mut Value) {
    template(object, "/spec");
    at(object, "/spec", &[("revisionHistoryLimit", json!(10)), ("updateStrategy", json!({}))]);
    at(object, "/spec/updateStrategy", &[("type", json!("RollingUpdate"))]);
    if text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
        at(object, "/spec/updateStrategy", &[("rollingUpdate", json!({}))]);
        at(object, "/spec/updateStrategy/rollingUpdate", &[("maxSurge", json!(0)), ("maxUnavailable", json!(1))]);
    }
}

pub fn job(object: &mut Value) {
    job_spec(object, "/spec");
}

fn job_spec(object: &mut Value, spec: &str) {
    template(object, spec);
    let completions = has(object, &format!("{spec}/completions"));
    let parallelism = has(object, &format!("{spec}/parallelism"));
    if !completions && !parallelism {
        at(object, spec, &[("completions", json!(1))]);
    }
    let each_index = has(object, &format!("{spec}/backoffLimitPerIndex"));
    at(
        object,
        spec,
        &[
            ("backoffLimit", if each_index { json!(i32::MAX) } else { json!(6) }),
            ("completionMode", json!("NonIndexed")),
            ("manualSelector", json!(false)),
            ("parallelism", json!(1)),
            (
                "podReplacementPolicy",
                json!(if has(object, &format!("{spec}/podFailurePolicy")) { "Failed" } else { "TerminatingOrFailed" }),
            ),
            ("suspend", json!(false)),
        ],
    );
}

pub fn cron_job(object: &mut Value) {
    at(
        object,
        "/spec",
        &[
            ("concurrencyPolicy", json!("Allow")),
            ("failedJobsHistoryLimit", json!(1)),
            ("successfulJobsHistoryLimit", json!(3)),
            ("suspend", json!(false)),
        ],
    );
    // A Job's own numbers are filled in when the Job is made.
    template(object, "/spec/jobTemplate/spec");
}

pub fn autoscaler(object: &mut Value) {
    at(
        object,
        "/spec",
        &[
            ("minReplicas", json!(1)),
            (
                "metrics",
                json!([{"type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]),
            ),
        ],
    );
    let rules = |policies: Value| vec![("policies", policies), ("selectPolicy", json!("Max"))];
    if has(object, "/spec/behavior") {
        let down = json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]);
        let up = json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]);
        at(object, "/spec/behavior", &[("scaleUp", json!({})), ("scaleDown", json!({}))]);
        at(object, "/spec/behavior/scaleUp", &rules(up));
        at(object, "/spec/behavior/scaleUp", &[("stabilizationWindowSeconds", json!(0))]);
        at(object, "/spec/behavior/scaleDown", &rules(down));
    }
}

/// Fills in the pod template below `spec`; its creation time stays empty, as in the real server's output.
fn template(object: &mut Value, spec: &str) {
    let pointer = format!("{spec}/template/spec");
    pod_spec(object.pointer_mut(&pointer));
    for claim in maps(object, &format!("{pointer}/volumes")) {
        if let Some(template) = claim.get_mut("ephemeral").and_then(|source| source.get_mut("volumeClaimTemplate")) {
            at(template, "/spec", &[("volumeMode", json!("Filesystem"))]);
        }
    }
}
