//! Whether an object is one that the real server would take, and if not, why, in its words.

mod access;
mod autoscaling;
mod config;
mod container;
mod cron;
mod metadata;
mod names;
mod network;
mod pod;
mod probe;
mod problems;
mod service;
mod storage;
mod update;
mod volume;
mod workload;

use serde_json::Value;

use super::read::name;
use super::status::Status;
use crate::rehearsal::resource::Resource;
use problems::Problems;

pub use cron::schedule_problem;
pub use update::update_allowed;

/// What becomes of fields that a type does not have (`fieldValidation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// They are refused.
    Strict,
    /// They are warned of.
    #[default]
    Warn,
    Ignore,
}

/// Checks an object, with its defaults filled in, against its type and the rules of its kind. Returns warnings.
///
/// # Errors
/// 400 when it does not fit its type, 422 with every field that breaks a rule.
pub fn validate(resource: &'static Resource, value: &Value, strictness: Strictness) -> Result<Vec<String>, Status> {
    let warnings = decode(resource, value, strictness)?;
    let mut problems = Problems::default();
    metadata::check(resource, value, &mut problems);
    match resource.kind {
        "Pod" => pod::check(value, &mut problems),
        "Deployment" => workload::deployment(value, &mut problems),
        "ReplicaSet" => workload::replica_set(value, &mut problems),
        "StatefulSet" => workload::stateful_set(value, &mut problems),
        "DaemonSet" => workload::daemon_set(value, &mut problems),
        "Job" => workload::job(value, &mut problems),
        "CronJob" => workload::cron_job(value, &mut problems),
        "HorizontalPodAutoscaler" => autoscaling::autoscaler(value, &mut problems),
        "PodDisruptionBudget" => autoscaling::disruption_budget(value, &mut problems),
        "Service" => service::check(value, &mut problems),
        "Ingress" => network::ingress(value, &mut problems),
        "NetworkPolicy" => network::policy(value, &mut problems),
        "EndpointSlice" => network::endpoint_slice(value, &mut problems),
        "PersistentVolumeClaim" => storage::claim(value, &mut problems),
        "PersistentVolume" => storage::volume(value, &mut problems),
        "StorageClass" => storage::class(value, &mut problems),
        "ConfigMap" => config::config_map(value, &mut problems),
        "Secret" => config::secret(value, &mut problems),
        "Role" | "ClusterRole" => access::role(value, &mut problems),
        "RoleBinding" | "ClusterRoleBinding" => access::binding(resource, value, &mut problems),
        _ => {}
    }
    problems.into_result(resource, name(value)).map(|()| warnings)
}

/// Reads the object by its type and returns warnings of what the type does not know.
fn decode(resource: &'static Resource, value: &Value, strictness: Strictness) -> Result<Vec<String>, Status> {
    let refusal = |why: &str| {
        let Resource { kind, version, .. } = resource;
        Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
    };
    let findings = (resource.inspect)(value);
    if let Some(mismatch) = findings.mismatch {
        return Err(refusal(&mismatch));
    }
    let unknown: Vec<_> = findings.unknown.iter().map(|place| format!("unknown field {:?}", place.shown)).collect();
    match strictness {
        Strictness::Strict if !unknown.is_empty() => {
            Err(refusal(&format!("strict decoding error: {}", unknown.join(", "))))
        }
        Strictness::Strict | Strictness::Ignore => Ok(Vec::new()),
        Strictness::Warn => Ok(unknown),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rehearsal::object::defaults;
    use crate::rehearsal::object::strategic::tests::any_json;
    use crate::rehearsal::resource::{RESOURCES, of};
    use proptest::prelude::*;
    use serde_json::json;

    /// Validates an object named `x`, with defaults.
    pub fn check(kind: &str, mut object: Value) -> Result<Vec<String>, Status> {
        if object.get("metadata").is_none() {
            object["metadata"] = json!({"name": "x"});
        }
        defaults::apply(of(kind), &mut object);
        validate(of(kind), &object, Strictness::Strict)
    }

    /// Expects that exactly this is wrong with an object.
    #[track_caller]
    pub fn refused(kind: &str, object: Value, why: &str) {
        let message = check(kind, object).expect_err("the object is wrong").message;
        let (_, found) = message.split_once(" is invalid: ").unwrap_or(("", &message));
        assert_eq!(found, why);
    }

    #[track_caller]
    pub fn accepted(kind: &str, object: Value) {
        assert_eq!(check(kind, object), Ok(Vec::new()));
    }

    #[test]
    fn unknown_fields_are_refused_warned_of_or_ignored() {
        let map = json!({"metadata": {"name": "x"}, "dat": {}, "spec": 1});
        let validate = |strictness| validate(of("ConfigMap"), &map, strictness);
        assert_eq!(
            validate(Strictness::Strict).unwrap_err().message,
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dat\", \
             unknown field \"spec\""
        );
        assert_eq!(validate(Strictness::Warn).unwrap(), ["unknown field \"dat\"", "unknown field \"spec\""]);
        assert_eq!(validate(Strictness::Ignore).unwrap(), [""; 0]);
    }

    #[test]
    fn a_wrong_type_is_a_bad_request() {
        let refusal = check("Deployment", json!({"spec": {"replicas": "2"}})).unwrap_err();
        assert_eq!(refusal.code, 400);
        assert_eq!(
            refusal.message,
            "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct \
             field DeploymentSpec.spec.replicas of type int32"
        );
    }

    #[test]
    fn the_shipped_manifests_are_valid() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/microservices");
        let mut checked = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for object in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
                let kind = object["kind"].as_str().unwrap().to_owned();
                accepted(&kind, object);
                checked += 1;
            }
        }
        assert!(checked > 10);
    }

    proptest! {
        #[test]
        fn nothing_panics(before in any_json(), after in any_json()) {
            for resource in RESOURCES {
                let _ = validate(resource, &after, Strictness::Ignore);
                let _ = update_allowed(resource, &before, &after);
            }
        }
    }
}
