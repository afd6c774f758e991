//! The values that the API server fills in where an object says nothing.

mod pod;
mod workload;

use serde_json::{Map, Value, json};

use super::{
    decode,
    read::{has, list, text},
};
use crate::rehearsal::resource::Resource;

/// Fills in what `object` leaves out, as the real server would before it stores it, and writes
/// quantities in their canonical form. Does nothing where a value of
/// another type is in the way: that is for validation to say.
pub fn apply(resource: &'static Resource, object: &mut Value) {
    let mut findings = (resource.inspect)(object);
    // What is unknown stays, for validation to say so.
    findings.unknown.clear();
    decode::normalize(&findings, object);
    let Some(map) = object.as_object_mut() else { return };
    default(map, "apiVersion", json!(resource.api_version()));
    default(map, "kind", json!(resource.kind));
    match resource.kind {
        "Pod" => pod::pod_spec(object.pointer_mut("/spec")),
        "Deployment" => workload::deployment(object),
        "ReplicaSet" => workload::replica_set(object),
        "StatefulSet" => workload::stateful_set(object),
        "DaemonSet" => workload::daemon_set(object),
        "Job" => workload::job(object),
        "CronJob" => workload::cron_job(object),
        "HorizontalPodAutoscaler" => workload::autoscaler(object),
        "Service" => service(object),
        "PersistentVolumeClaim" => claim(object),
        "PersistentVolume" => volume(object),
        "Secret" => secret(object),
        "Namespace" => namespace(object),
        "NetworkPolicy" => network_policy(object),
        "Endpoints" => ports(object, "/subsets"),
        "EndpointSlice" => endpoint_slice(object),
        "StorageClass" => storage_class(object),
        "PriorityClass" => at(object, "", &[("preemptionPolicy", json!("PreemptLowerPriority"))]),
        "RoleBinding" | "ClusterRoleBinding" => role_binding(object),
        _ => {}
    }
}

type Object = Map<String, Value>;

/// Sets `name` where it is absent or null.
fn default(map: &mut Object, name: &str, value: Value) {
    let slot = map.entry(name).or_insert(Value::Null);
    if slot.is_null() {
        *slot = value;
    }
}

/// Sets these fields of the map at `pointer`, where they are absent.
fn at(object: &mut Value, pointer: &str, defaults: &[(&str, Value)]) {
    if let Some(map) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
        for (name, value) in defaults {
            default(map, name, value.clone());
        }
    }
}

/// Returns the maps in the list at `pointer`.
fn maps<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Object> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn service(object: &mut Value) {
    at(object, "/spec", &[("sessionAffinity", json!("None")), ("type", json!("ClusterIP"))]);
    let kind = text(object, "/spec/type").to_owned();
    if kind == "ExternalName" {
        return;
    }
    at(
        object,
        "/spec",
        &[
            ("internalTrafficPolicy", json!("Cluster")),
            ("ipFamilies", json!(["IPv4"])),
            ("ipFamilyPolicy", json!("SingleStack")),
        ],
    );
    if kind == "NodePort" || kind == "LoadBalancer" {
        at(object, "/spec", &[("externalTrafficPolicy", json!("Cluster"))]);
    }
    if kind == "LoadBalancer" {
        at(object, "/spec", &[("allocateLoadBalancerNodePorts", json!(true))]);
    }
    if text(object, "/spec/sessionAffinity") == "ClientIP" && !has(object, "/spec/sessionAffinityConfig") {
        object["spec"]["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 10800}});
    }
    for port in maps(object, "/spec/ports") {
        default(port, "protocol", json!("TCP"));
        let number = port.get("port").cloned().unwrap_or(Value::Null);
        let target = port.get("targetPort");
        let unset = target.is_none_or(|target| target.is_null() || target == &json!(0) || target == &json!(""));
        if unset && !number.is_null() {
            port.insert("targetPort".into(), number);
        }
    }
    let ip = text(object, "/spec/clusterIP").to_owned();
    if !ip.is_empty() {
        at(object, "/spec", &[("clusterIPs", json!([ip]))]);
    }
}

fn ports(object: &mut Value, parents: &str) {
    for parent in maps(object, parents) {
        for port in parent.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            at(port, "", &[("protocol", json!("TCP"))]);
        }
    }
}

fn endpoint_slice(object: &mut Value) {
    for port in maps(object, "/ports") {
        default(port, "name", json!(""));
        default(port, "protocol", json!("TCP"));
    }
}

fn claim(object: &mut Value) {
    at(object, "/spec", &[("volumeMode", json!("Filesystem"))]);
    at(object, "", &[("status", json!({"phase": "Pending"}))]);
}

fn volume(object: &mut Value) {
    at(object, "/spec", &[("volumeMode", json!("Filesystem")), ("persistentVolumeReclaimPolicy", json!("Retain"))]);
    at(object, "/spec/hostPath", &[("type", json!(""))]);
    at(object, "", &[("status", json!({"phase": "Pending"}))]);
}

/// Moves `stringData` into `data`, encoded.
fn secret(object: &mut Value) {
    use base64::{Engine, prelude::BASE64_STANDARD};
    at(object, "", &[("type", json!("Opaque"))]);
    let Some(map) = object.as_object_mut() else { return };
    let plain = map.get("stringData").and_then(Value::as_object).filter(|plain| plain.values().all(Value::is_string));
    let Some(plain) = plain.cloned() else { return };
    map.remove("stringData");
    if plain.is_empty() {
        return;
    }
    let data = super::read::map_in(map, "data");
    for (key, value) in plain {
        data.insert(key, json!(BASE64_STANDARD.encode(value.as_str().unwrap_or_default())));
    }
}

fn namespace(object: &mut Value) {
    let name = super::read::name(object).to_owned();
    let Some(map) = object.as_object_mut() else { return };
    if !name.is_empty() {
        let metadata = super::read::map_in(map, "metadata");
        super::read::map_in(metadata, "labels").insert("kubernetes.io/metadata.name".into(), json!(name));
    }
    default(map, "spec", json!({}));
    default(map, "status", json!({}));
    at(object, "/spec", &[("finalizers", json!(["kubernetes"]))]);
    at(object, "/status", &[("phase", json!("Active"))]);
}

fn network_policy(object: &mut Value) {
    let egress = !list(object, "/spec/egress").is_empty();
    let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    at(object, "/spec", &[("policyTypes", types), ("podSelector", json!({}))]);
    for direction in ["/spec/ingress", "/spec/egress"] {
        ports(object, direction);
    }
}

fn storage_class(object: &mut Value) {
    at(object, "", &[("reclaimPolicy", json!("Delete")), ("volumeBindingMode", json!("Immediate"))]);
}

fn role_binding(object: &mut Value) {
    let group = "rbac.authorization.k8s.io";
    at(object, "/roleRef", &[("apiGroup", json!(group))]);
    for subject in maps(object, "/subjects") {
        let kind = subject.get("kind").and_then(Value::as_str).unwrap_or_default();
        if kind == "User" || kind == "Group" {
            default(subject, "apiGroup", json!(group));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::object::strategic::tests::any_json;
    use crate::rehearsal::resource::{RESOURCES, of};
    use proptest::prelude::*;

    #[track_caller]
    fn case(kind: &str, mut object: Value, pointer: &str, expected: Value) {
        apply(of(kind), &mut object);
        assert_eq!(object.pointer(pointer), Some(&expected), "{kind} {pointer}: {object:#}");
    }

    fn workload(spec: Value) -> Value {
        json!({"metadata": {"name": "x"}, "spec": spec})
    }

    #[test]
    fn pods_get_their_defaults() {
        let pod = || {
            workload(json!({"containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}],
            "livenessProbe": {"httpGet": {"port": 80}}, "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
            "resources": {"limits": {"cpu": "1"}}}], "volumes": [{"name": "v", "secret": {"secretName": "s"}}, {"name": "w"}]}))
        };
        for (pointer, expected) in [
            ("/spec/restartPolicy", json!("Always")),
            ("/spec/dnsPolicy", json!("ClusterFirst")),
            ("/spec/schedulerName", json!("default-scheduler")),
            ("/spec/terminationGracePeriodSeconds", json!(30)),
            ("/spec/securityContext", json!({})),
            ("/spec/containers/0/imagePullPolicy", json!("Always")),
            ("/spec/containers/0/terminationMessagePath", json!("/dev/termination-log")),
            ("/spec/containers/0/ports/0/protocol", json!("TCP")),
            (
                "/spec/containers/0/livenessProbe",
                json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}),
            ),
            ("/spec/containers/0/env/0/valueFrom/fieldRef/apiVersion", json!("v1")),
            ("/spec/containers/0/resources/requests/cpu", json!("1")),
            ("/spec/volumes/0/secret/defaultMode", json!(420)),
            ("/spec/volumes/1/emptyDir", json!({})),
        ] {
            case("Pod", pod(), pointer, expected);
        }
    }

    #[test]
    fn images_without_a_moving_tag_are_pulled_once() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1", "IfNotPresent"),
            ("host:5000/nginx", "Always"),
            ("host:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
        ] {
            let pod = workload(json!({"containers": [{"image": image}]}));
            case("Pod", pod, "/spec/containers/0/imagePullPolicy", json!(policy));
        }
    }

    #[test]
    fn workloads_get_their_defaults() {
        let template = || workload(json!({"template": {"spec": {"containers": []}}}));
        case("Deployment", template(), "/spec/replicas", json!(1));
        let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
        case("Deployment", template(), "/spec/strategy", strategy);
        case("Deployment", template(), "/spec/progressDeadlineSeconds", json!(600));
        case("StatefulSet", template(), "/spec/podManagementPolicy", json!("OrderedReady"));
        case("StatefulSet", template(), "/spec/template/spec/restartPolicy", json!("Always"));
        case(
            "DaemonSet",
            template(),
            "/spec/updateStrategy/rollingUpdate",
            json!({"maxUnavailable": 1, "maxSurge": 0}),
        );
        case("Job", template(), "/spec/backoffLimit", json!(6));
        let cron = workload(json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {}}}}}));
        case("CronJob", cron.clone(), "/spec/concurrencyPolicy", json!("Allow"));
        case("CronJob", cron, "/spec/jobTemplate/spec/template/spec/dnsPolicy", json!("ClusterFirst"));
    }

    #[test]
    fn services_get_their_defaults() {
        let service = || workload(json!({"ports": [{"port": 80}]}));
        case("Service", service(), "/spec/type", json!("ClusterIP"));
        case("Service", service(), "/spec/ports/0", json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
        case("Service", service(), "/spec/ipFamilies", json!(["IPv4"]));
        let headless = workload(json!({"clusterIP": "None"}));
        case("Service", headless, "/spec/clusterIPs", json!(["None"]));
    }

    #[test]
    fn plain_secrets_are_encoded() {
        case("Secret", json!({"stringData": {"a": "b"}}), "/data/a", json!("Yg=="));
        case("Secret", json!({}), "/type", json!("Opaque"));
        case(
            "Namespace",
            json!({"metadata": {"name": "x"}}),
            "/metadata/labels/kubernetes.io~1metadata.name",
            json!("x"),
        );
    }

    proptest! {
        #[test]
        fn defaults_never_panic_and_are_stable(value in any_json()) {
            for resource in RESOURCES {
                let mut once = value.clone();
                apply(resource, &mut once);
                let mut twice = once.clone();
                apply(resource, &mut twice);
                prop_assert_eq!(&once, &twice);
            }
        }
    }
}
