//! What admission adds to every new pod: its account and that account's token, its priority, tolerations.

use serde_json::{Value, json};

use super::{
    object::status::Status,
    resource::of,
    store::{Object, Store},
};

const TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Letters that no word can be made of, as Kubernetes uses them in generated names.
pub const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// The classes that every cluster has, with their priorities.
pub const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// Completes the spec of a new pod. What has a wrong shape is left for validation to refuse.
///
/// # Errors
/// 403 when the pod's service account or priority class is not there.
pub fn admit(store: &Store, pod: &mut Value) -> Result<(), Status> {
    if !pod["spec"].is_object() {
        return Ok(());
    }
    let account = account(store, pod)?;
    priority(store, pod)?;
    let spec = &mut pod["spec"];
    for taint in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        tolerate(spec, taint);
    }
    let wanted = spec["automountServiceAccountToken"].as_bool();
    let allowed = || account.is_none_or(|account| account.value()["automountServiceAccountToken"] != false);
    if wanted.unwrap_or_else(allowed) {
        mount_token(spec);
    }
    Ok(())
}

/// Returns five random letters for a generated name.
pub fn random_suffix() -> String {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    bytes[..5].iter().map(|byte| char::from(SUFFIX_LETTERS[usize::from(*byte) % SUFFIX_LETTERS.len()])).collect()
}

fn forbidden(pod: &Value, why: &str) -> Status {
    let name = |key: &str| pod["metadata"][key].as_str().filter(|name| !name.is_empty());
    Status::forbidden(of("Pod"), name("generateName").or(name("name")).unwrap_or_default(), why)
}

/// Fills the pod's account in and returns it; the default one may still be on its way.
fn account(store: &Store, pod: &mut Value) -> Result<Option<std::sync::Arc<Object>>, Status> {
    let text = |key: &str| pod["spec"][key].as_str().filter(|name| !name.is_empty());
    let name = text("serviceAccountName").or(text("serviceAccount")).unwrap_or("default").to_owned();
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let account = store.get(of("ServiceAccount"), namespace, &name);
    if account.is_none() && name != "default" {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found");
        return Err(forbidden(pod, &why));
    }
    pod["spec"]["serviceAccountName"] = json!(name);
    pod["spec"]["serviceAccount"] = json!(name);
    Ok(account)
}

fn priority(store: &Store, pod: &mut Value) -> Result<(), Status> {
    let name = pod["spec"]["priorityClassName"].as_str().unwrap_or_default();
    let system = SYSTEM_CLASSES.iter().find(|(class, _)| *class == name);
    let classes = || store.list(of("PriorityClass"), None).0.into_iter();
    let class = match (name, system) {
        (_, Some((_, value))) => json!({"value": value}),
        ("", _) => {
            classes().map(|class| class.value()).find(|class| class["globalDefault"] == true).unwrap_or_default()
        }
        _ => match store.get(of("PriorityClass"), "", name) {
            Some(class) => class.value(),
            None => return Err(forbidden(pod, &format!("no PriorityClass with name {name} was found"))),
        },
    };
    if name.is_empty() && class["metadata"]["name"].is_string() {
        pod["spec"]["priorityClassName"] = class["metadata"]["name"].clone();
    }
    pod["spec"]["priority"] = json!(class["value"].as_i64().unwrap_or(0));
    if pod["spec"]["preemptionPolicy"].is_null() {
        pod["spec"]["preemptionPolicy"] = json!(class["preemptionPolicy"].as_str().unwrap_or("PreemptLowerPriority"));
    }
    if pod["spec"]["enableServiceLinks"].is_null() {
        pod["spec"]["enableServiceLinks"] = json!(true);
    }
    Ok(())
}

fn tolerate(spec: &mut Value, taint: &str) {
    if spec["tolerations"].is_null() {
        spec["tolerations"] = json!([]);
    }
    let Some(tolerations) = spec["tolerations"].as_array_mut() else { return };
    let tolerated = tolerations.iter().any(|one| {
        (one["key"] == taint || one["key"].is_null()) && (one["effect"] == "NoExecute" || one["effect"].is_null())
    });
    if !tolerated {
        tolerations.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
    }
}

/// Gives each container the token of the pod's account, unless something else is mounted there.
fn mount_token(spec: &mut Value) {
    let name = format!("kube-api-access-{}", random_suffix());
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            used |= mount(container, &name);
        }
    }
    if spec["volumes"].is_null() {
        spec["volumes"] = json!([]);
    }
    let Some(volumes) = spec["volumes"].as_array_mut().filter(|_| used) else { return };
    volumes.push(json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ]}}));
}

fn mount(container: &mut Value, name: &str) -> bool {
    if !container.is_object() {
        return false;
    }
    if container["volumeMounts"].is_null() {
        container["volumeMounts"] = json!([]);
    }
    let Some(mounts) = container["volumeMounts"].as_array_mut() else { return false };
    let taken = mounts.iter().any(|mount| mount["mountPath"] == TOKEN_FOLDER);
    if !taken {
        mounts.push(json!({"name": name, "mountPath": TOKEN_FOLDER, "readOnly": true}));
    }
    !taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(store: &Store, spec: Value) -> Result<Value, String> {
        let mut pod = json!({"metadata": {"name": "p", "namespace": "a"}, "spec": spec});
        admit(store, &mut pod).map(|()| pod["spec"].take()).map_err(|status| status.message)
    }

    #[test]
    fn a_pod_gets_its_account_and_token() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("log")).unwrap();
        let spec = admitted(&store, json!({"containers": [{"name": "c"}]})).unwrap();
        assert_eq!((&spec["serviceAccountName"], &spec["priority"]), (&json!("default"), &json!(0)));
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], spec["volumes"][0]["name"]);
        let spec = admitted(&store, json!({"containers": [{}], "automountServiceAccountToken": false})).unwrap();
        assert!(spec["volumes"].is_null());
        assert_eq!(
            admitted(&store, json!({"serviceAccountName": "b"})).unwrap_err(),
            "pods \"p\" is forbidden: error looking up service account a/b: serviceaccount \"b\" not found"
        );
        let why = "pods \"p\" is forbidden: no PriorityClass with name high was found";
        assert_eq!(admitted(&store, json!({"priorityClassName": "high"})).unwrap_err(), why);
        let critical = admitted(&store, json!({"priorityClassName": "system-node-critical"})).unwrap();
        assert_eq!(critical["priority"], 2_000_001_000);
    }

    #[test]
    fn what_has_a_wrong_shape_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("log")).unwrap();
        for spec in [json!(1), json!({"containers": [1, {"volumeMounts": 1}], "volumes": "x", "tolerations": {}})] {
            admitted(&store, spec).unwrap();
        }
    }
}
