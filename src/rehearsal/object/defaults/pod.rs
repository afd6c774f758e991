//! Defaults of pods and of the templates that make them.

use serde_json::{Map, Value, json};

use super::{at, default, maps};

/// Where a volume names a file mode, and which map holds its items.
const WITH_MODE: &[&str] = &["/secret", "/configMap", "/downwardAPI", "/projected"];

/// Fills in a pod's spec.
pub fn pod_spec(spec: Option<&mut Value>) {
    let Some(spec) = spec.filter(|spec| spec.is_object()) else { return };
    at(
        spec,
        "",
        &[
            ("dnsPolicy", json!("ClusterFirst")),
            ("restartPolicy", json!("Always")),
            ("schedulerName", json!("default-scheduler")),
            ("securityContext", json!({})),
            ("terminationGracePeriodSeconds", json!(30)),
        ],
    );
    if let Some(account) = spec.get("serviceAccountName").filter(|account| account.is_string()).cloned() {
        at(spec, "", &[("serviceAccount", account)]);
    }
    for list in ["/containers", "/initContainers", "/ephemeralContainers"] {
        for container in spec.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            self::container(container);
        }
    }
    for volume in spec.pointer_mut("/volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        self::volume(volume);
    }
}

fn container(container: &mut Value) {
    let policy = pull_policy(container.get("image").and_then(Value::as_str).unwrap_or_default());
    at(
        container,
        "",
        &[
            ("imagePullPolicy", json!(policy)),
            ("resources", json!({})),
            ("terminationMessagePath", json!("/dev/termination-log")),
            ("terminationMessagePolicy", json!("File")),
        ],
    );
    for port in maps(container, "/ports") {
        default(port, "protocol", json!("TCP"));
    }
    for variable in container.pointer_mut("/env").and_then(Value::as_array_mut).into_iter().flatten() {
        at(variable, "/valueFrom/fieldRef", &[("apiVersion", json!("v1"))]);
    }
    for probe in ["/livenessProbe", "/readinessProbe", "/startupProbe"] {
        self::probe(container, probe);
    }
    for hook in ["/lifecycle/postStart/httpGet", "/lifecycle/preStop/httpGet"] {
        at(container, hook, &[("path", json!("/")), ("scheme", json!("HTTP"))]);
    }
    requests(container);
}

/// What is limited but not requested is requested as it is limited.
fn requests(container: &mut Value) {
    let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else { return };
    let limits = resources.get("limits").and_then(Value::as_object).filter(|limits| !limits.is_empty()).cloned();
    let Some(limits) = limits else { return };
    let requests = resources.entry("requests").or_insert_with(|| Value::Object(Map::new()));
    if let Some(requests) = requests.as_object_mut() {
        for (name, limit) in limits {
            default(requests, &name, limit);
        }
    }
}

fn probe(container: &mut Value, pointer: &str) {
    let Some(probe) = container.pointer_mut(pointer) else { return };
    at(
        probe,
        "",
        &[
            ("failureThreshold", json!(3)),
            ("periodSeconds", json!(10)),
            ("successThreshold", json!(1)),
            ("timeoutSeconds", json!(1)),
        ],
    );
    at(probe, "/httpGet", &[("path", json!("/")), ("scheme", json!("HTTP"))]);
    at(probe, "/grpc", &[("service", json!(""))]);
}

fn volume(volume: &mut Value) {
    let Some(map) = volume.as_object_mut() else { return };
    if map.len() == 1 && map.contains_key("name") {
        map.insert("emptyDir".into(), json!({}));
    }
    for source in WITH_MODE {
        at(volume, source, &[("defaultMode", json!(420))]);
    }
    at(volume, "/hostPath", &[("type", json!(""))]);
    for item in volume.pointer_mut("/downwardAPI/items").and_then(Value::as_array_mut).into_iter().flatten() {
        at(item, "/fieldRef", &[("apiVersion", json!("v1"))]);
    }
    for source in volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut).into_iter().flatten() {
        at(source, "/serviceAccountToken", &[("expirationSeconds", json!(3600))]);
        for item in source.pointer_mut("/downwardAPI/items").and_then(Value::as_array_mut).into_iter().flatten() {
            at(item, "/fieldRef", &[("apiVersion", json!("v1"))]);
        }
    }
}

/// An image whose tag may move is pulled each time.
fn pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}
