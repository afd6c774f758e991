//! `autoscaling/v1`, in which `kubectl autoscale` up to 1.32 creates; everything else is asked of `autoscaling/v2`.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    create::{self, Ownership},
    reply::{self, Reply},
    write::Write,
};
use crate::rehearsal::object::status::Status;

const OLD: &str = "autoscaling/v1";

/// Creates an autoscaler sent as `autoscaling/v1` and answers with it in the same version.
///
/// # Errors
/// Those of any create; 400 for an object of another version.
pub(super) fn create(write: &Write, value: Value) -> Result<Reply, Status> {
    if value["apiVersion"] != OLD {
        return Err(Status::bad_request(format!("the API version in the data does not match the expected {OLD}")));
    }
    let written = create::create(write, newer(value), Ownership::Update)?;
    let object = serde_json::from_slice(&written.raw).expect("what is stored is JSON");
    Ok(reply::warn(reply::json(StatusCode::CREATED, &older(object)), &written.warnings))
}

/// Writes the one percentage of `autoscaling/v1` as a metric.
fn newer(mut value: Value) -> Value {
    value["apiVersion"] = json!("autoscaling/v2");
    let spec = value["spec"].as_object_mut();
    let percentage = spec.and_then(|spec| spec.remove("targetCPUUtilizationPercentage"));
    if let Some(percentage) = percentage {
        let target = json!({"type": "Utilization", "averageUtilization": percentage});
        value["spec"]["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    }
    value
}

fn older(value: Value) -> Value {
    let mut spec = value["spec"].clone();
    let percentage = spec["metrics"][0]["resource"]["target"]["averageUtilization"].take();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|key, _| !["metrics", "behavior"].contains(&key.as_str()));
    }
    if !percentage.is_null() {
        spec["targetCPUUtilizationPercentage"] = percentage;
    }
    let kind = "HorizontalPodAutoscaler";
    json!({"apiVersion": OLD, "kind": kind, "metadata": value["metadata"], "spec": spec, "status": {
        "currentReplicas": 0, "desiredReplicas": 0,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_version_is_the_new_one_with_a_single_metric() {
        let spec = json!({"maxReplicas": 4, "targetCPUUtilizationPercentage": 50});
        let old =
            json!({"apiVersion": OLD, "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec});
        let new = newer(old.clone());
        assert_eq!(new["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
        assert_eq!(older(new)["spec"], old["spec"]);
    }
}
