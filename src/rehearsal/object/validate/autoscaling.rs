//! Rules of what scales workloads, and of what guards them.

use serde_json::Value;

use super::problems::Problems;
use super::{metadata, workload::number_or_percent};
use crate::rehearsal::object::read::{has, integer, list, text};

const SOURCES: [(&str, &str); 5] = [
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
    ("Pods", "pods"),
    ("Object", "object"),
    ("External", "external"),
];

pub fn autoscaler(object: &Value, problems: &mut Problems) {
    for field in ["kind", "name"] {
        if text(object, &format!("/spec/scaleTargetRef/{field}")).is_empty() {
            problems.required(format!("spec.scaleTargetRef.{field}"), "");
        }
    }
    let least = integer(object, "/spec/minReplicas").unwrap_or(1);
    let most = integer(object, "/spec/maxReplicas").unwrap_or(0);
    if least < 1 {
        problems.invalid("spec.minReplicas", &least.into(), "must be greater than or equal to 1");
    }
    if most < 1 {
        problems.invalid("spec.maxReplicas", &most.into(), "must be greater than 0");
    }
    if most < least {
        problems.invalid("spec.maxReplicas", &most.into(), "must be greater than or equal to `minReplicas`");
    }
    for (index, metric) in list(object, "/spec/metrics").iter().enumerate() {
        self::metric(metric, &format!("spec.metrics[{index}]"), problems);
    }
}

fn metric(metric: &Value, path: &str, problems: &mut Problems) {
    let kind = text(metric, "/type");
    if kind.is_empty() {
        return problems.required(format!("{path}.type"), "must specify a metric source type");
    }
    let Some((_, source)) = SOURCES.into_iter().find(|(name, _)| *name == kind) else {
        let names = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        return problems.unsupported(format!("{path}.type"), kind, &names);
    };
    if !has(metric, &format!("/{source}")) {
        return problems.required(format!("{path}.{source}"), "must populate information for the given metric source");
    }
    let path = format!("{path}.{source}");
    if source.ends_with("esource") && text(metric, &format!("/{source}/name")).is_empty() {
        problems.required(format!("{path}.name"), "must specify a resource name");
    }
    let target = format!("/{source}/target");
    if text(metric, &format!("{target}/type")).is_empty() {
        problems.required(format!("{path}.target.type"), "must specify a metric target type");
    }
    let utilization = integer(metric, &format!("{target}/averageUtilization"));
    if let Some(percent) = utilization.filter(|percent| *percent < 1) {
        problems.invalid(format!("{path}.target.averageUtilization"), &percent.into(), "must be greater than 0");
    }
    let values = ["averageUtilization", "averageValue", "value"];
    if values.iter().all(|field| !has(metric, &format!("{target}/{field}"))) {
        problems.required(
            format!("{path}.target.averageUtilization"),
            "must set either a target raw value or a target utilization",
        );
    }
}

pub fn disruption_budget(object: &Value, problems: &mut Problems) {
    let limits = ["minAvailable", "maxUnavailable"].map(|limit| (limit, object.pointer(&format!("/spec/{limit}"))));
    if limits.iter().all(|(_, limit)| limit.is_some_and(|limit| !limit.is_null())) {
        let spec = object.get("spec").cloned().unwrap_or_default();
        problems.invalid("spec", &spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for (name, limit) in limits {
        number_or_percent(limit, format!("spec.{name}"), problems);
    }
    metadata::selector(object, "/spec/selector", "spec.selector", problems);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepted, refused};
    use serde_json::{Value, json};

    fn autoscaler(least: i64, most: i64) -> Value {
        json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "w"}, "minReplicas": least, "maxReplicas": most}})
    }

    #[test]
    fn the_least_is_not_more_than_the_most() {
        accepted("HorizontalPodAutoscaler", autoscaler(1, 3));
        let why = "spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`";
        refused("HorizontalPodAutoscaler", autoscaler(2, 1), why);
        let mut nothing = autoscaler(1, 2);
        nothing["spec"]["scaleTargetRef"] = json!({"kind": "Deployment"});
        refused("HorizontalPodAutoscaler", nothing, "spec.scaleTargetRef.name: Required value");
    }

    #[test]
    fn a_budget_has_one_limit() {
        accepted("PodDisruptionBudget", json!({"spec": {"minAvailable": "50%"}}));
        let both = json!({"spec": {"maxUnavailable": 1, "minAvailable": 1}});
        let why = "spec: Invalid value: {\"maxUnavailable\":1,\"minAvailable\":1}: minAvailable and maxUnavailable cannot be both set";
        refused("PodDisruptionBudget", both, why);
    }
}
