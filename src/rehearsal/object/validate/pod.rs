//! Rules of pods and of the templates that make them.

use serde_json::Value;

use super::{container, metadata, names, problems::Problems, volume};
use crate::rehearsal::object::read::{has, integer, list, name, text};

const RESTART: &[&str] = &["Always", "OnFailure", "Never"];
const DNS: &[&str] = &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];

/// Checks a pod.
pub fn check(pod: &Value, problems: &mut Problems) {
    spec(pod, "/spec", "spec", &[], problems);
    problems.one_of("spec.restartPolicy", text(pod, "/spec/restartPolicy"), RESTART);
}

/// Checks the pod spec at `pointer`, which people call `path`. Its containers may also mount the volumes that are made
/// from `claims`. Which restart policies are right is left to the caller.
pub fn spec(object: &Value, pointer: &str, path: &str, claims: &[Value], problems: &mut Problems) {
    let null = Value::Null;
    let spec = object.pointer(pointer).unwrap_or(&null);
    let mut volumes = volume::check(spec, path, problems);
    volumes.extend(claims.iter().map(name));
    container::check(spec, path, &volumes, problems);

    problems.one_of(format!("{path}.dnsPolicy"), text(spec, "/dnsPolicy"), DNS);
    if text(spec, "/dnsPolicy") == "None" && list(spec, "/dnsConfig/nameservers").is_empty() {
        problems.required(
            format!("{path}.dnsConfig.nameservers"),
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        );
    }
    problems
        .not_negative(format!("{path}.terminationGracePeriodSeconds"), integer(spec, "/terminationGracePeriodSeconds"));
    if let Some(seconds) =
        integer(spec, "/activeDeadlineSeconds").filter(|seconds| !(1..=i64::from(i32::MAX)).contains(seconds))
    {
        let why = format!("must be between 1 and {}, inclusive", i32::MAX);
        problems.invalid(format!("{path}.activeDeadlineSeconds"), &seconds.into(), &why);
    }
    for (field, check) in
        [("serviceAccountName", names::subdomain as fn(&str) -> Vec<String>), ("hostname", names::label)]
    {
        let value = text(spec, &format!("/{field}"));
        if !value.is_empty() {
            problems.syntax(&format!("{path}.{field}"), value, check(value));
        }
    }
    metadata::labels(spec, "/nodeSelector", &format!("{path}.nodeSelector"), problems);
    tolerations(spec, path, problems);
    spread(spec, path, problems);
    security(spec, path, problems);
}

fn tolerations(spec: &Value, path: &str, problems: &mut Problems) {
    for (index, toleration) in list(spec, "/tolerations").iter().enumerate() {
        let path = format!("{path}.tolerations[{index}]");
        let (key, operator) = (text(toleration, "/key"), text(toleration, "/operator"));
        if !key.is_empty() {
            problems.syntax(&format!("{path}.key"), key, names::qualified(key));
        } else if operator != "Exists" {
            problems.invalid(
                format!("{path}.operator"),
                &operator.into(),
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        problems.one_of(format!("{path}.operator"), operator, &["Equal", "Exists"]);
        if operator == "Exists" && !text(toleration, "/value").is_empty() {
            let operator = toleration.get("value").cloned().unwrap_or_default();
            problems.invalid(format!("{path}.operator"), &operator, "value must be empty when `operator` is 'Exists'");
        }
        let effects = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
        problems.one_of(format!("{path}.effect"), text(toleration, "/effect"), effects);
        if has(toleration, "/tolerationSeconds") && text(toleration, "/effect") != "NoExecute" {
            let effect = Value::from(text(toleration, "/effect"));
            problems.invalid(
                format!("{path}.effect"),
                &effect,
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            );
        }
    }
}

fn spread(spec: &Value, path: &str, problems: &mut Problems) {
    for (index, constraint) in list(spec, "/topologySpreadConstraints").iter().enumerate() {
        let path = format!("{path}.topologySpreadConstraints[{index}]");
        let skew = integer(constraint, "/maxSkew").unwrap_or(0);
        if skew <= 0 {
            problems.invalid(format!("{path}.maxSkew"), &skew.into(), "must be greater than zero");
        }
        if text(constraint, "/topologyKey").is_empty() {
            problems.required(format!("{path}.topologyKey"), "can not be empty");
        }
        let when = text(constraint, "/whenUnsatisfiable");
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&when) {
            problems.unsupported(format!("{path}.whenUnsatisfiable"), when, &["DoNotSchedule", "ScheduleAnyway"]);
        }
        metadata::selector(constraint, "/labelSelector", &format!("{path}.labelSelector"), problems);
    }
}

fn security(spec: &Value, path: &str, problems: &mut Problems) {
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        let pointer = format!("/securityContext/{field}");
        if let Some(id) = integer(spec, &pointer).filter(|id| !(0..=i64::from(i32::MAX)).contains(id)) {
            let why = format!("must be between 0 and {}, inclusive", i32::MAX);
            problems.invalid(format!("{path}.securityContext.{field}"), &id.into(), &why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepted, refused};
    use serde_json::{Value, json};

    fn pod(container: Value, volumes: Value) -> Value {
        json!({"spec": {"containers": [container], "volumes": volumes}})
    }

    #[test]
    fn a_pod_needs_containers_with_names_and_images() {
        refused("Pod", json!({"spec": {}}), "spec.containers: Required value");
        refused("Pod", pod(json!({"image": "i"}), json!([])), "spec.containers[0].name: Required value");
        refused("Pod", pod(json!({"name": "c"}), json!([])), "spec.containers[0].image: Required value");
        let twice = json!({"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]}});
        refused("Pod", twice, "spec.containers[1].name: Duplicate value: \"c\"");
        accepted("Pod", pod(json!({"name": "c", "image": "i"}), json!([])));
    }

    #[test]
    fn mounts_refer_to_volumes() {
        let mounted =
            |name: &str| json!({"name": "c", "image": "i", "volumeMounts": [{"name": name, "mountPath": "/d"}]});
        let volumes = || json!([{"name": "data", "emptyDir": {}}]);
        accepted("Pod", pod(mounted("data"), volumes()));
        refused("Pod", pod(mounted("dat"), volumes()), "spec.containers[0].volumeMounts[0].name: Not found: \"dat\"");
    }

    #[test]
    fn containers_have_their_rules() {
        for (fields, why) in [
            (json!({"ports": [{"containerPort": 0}]}), "ports[0].containerPort: Required value"),
            (
                json!({"ports": [{"containerPort": 70000}]}),
                "ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ),
            (
                json!({"ports": [{"containerPort": 80, "protocol": "HTTP"}]}),
                "ports[0].protocol: Unsupported value: \"HTTP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
            ),
            (json!({"env": [{"value": "x"}]}), "env[0].name: Required value"),
            (
                json!({"imagePullPolicy": "Sometimes"}),
                "imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
            ),
            (json!({"readinessProbe": {}}), "readinessProbe: Required value: must specify a handler type"),
            (
                json!({"livenessProbe": {"tcpSocket": {"port": 80}, "successThreshold": 2}}),
                "livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ),
            (
                json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
                "resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            ),
            (
                json!({"env": [{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
                "env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
            ),
        ] {
            let mut container = json!({"name": "c", "image": "i"});
            container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            refused("Pod", pod(container, json!([])), &format!("spec.containers[0].{why}"));
        }
    }

    #[test]
    fn volumes_have_one_source() {
        let container = || json!({"name": "c", "image": "i"});
        refused(
            "Pod",
            pod(container(), json!([{"name": "v", "configMap": {}}])),
            "spec.volumes[0].configMap.name: Required value",
        );
        let two = json!([{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]);
        refused(
            "Pod",
            pod(container(), two),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        );
    }

    #[test]
    fn policies_are_of_a_kind() {
        let pod = json!({"spec": {"restartPolicy": "Once", "containers": [{"name": "c", "image": "i"}]}});
        let why =
            "spec.restartPolicy: Unsupported value: \"Once\": supported values: \"Always\", \"OnFailure\", \"Never\"";
        refused("Pod", pod, why);
    }
}
