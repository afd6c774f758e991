//! The login that nodes pull built images with: a Secret beside the pods that need it.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    manifests::{
        Manifest, images,
        prepare::{HASH_ANNOTATION, STACK_LABEL},
    },
    stack::ParsedStack,
};
use crate::model::registry::DockerConfig;

/// The type of Secrets that hold logins, and the key that they hold them under.
const TYPE: &str = "kubernetes.io/dockerconfigjson";
const KEY: &str = ".dockerconfigjson";

/// Adds the Secret to each namespace of the stack where a pod has one of the images that are built, and names it in
/// those pods beside what they name themselves.
pub(super) fn add(stack: &mut ParsedStack, built: &BTreeMap<String, String>, login: &DockerConfig) {
    let secret = name(&stack.name);
    let accounts: Vec<_> = stack.manifests.iter().filter(|manifest| manifest.kind() == "ServiceAccount").collect();
    let accounts: BTreeMap<_, _> = accounts
        .into_iter()
        .map(|account| ((account.namespace().map(str::to_owned), account.name().to_owned()), account.object.clone()))
        .collect();
    let mut namespaces = BTreeSet::new();
    for manifest in &mut stack.manifests {
        if images::references(&manifest.object).iter().any(|image| built.contains_key(image)) {
            let namespace = manifest.namespace().map(str::to_owned);
            let account = |name: &str| accounts.get(&(namespace.clone(), name.to_owned()));
            name_in_pods(&mut manifest.object, &secret, account);
            namespaces.insert(namespace.unwrap_or_else(|| stack.namespace.clone()));
        }
    }
    stack.manifests.extend(namespaces.into_iter().map(|namespace| manifest(&secret, &namespace, login)));
}

/// Returns the login that an earlier deploy left among these objects of the cluster, if it is one for this registry.
pub fn kept<'a>(objects: impl IntoIterator<Item = &'a Value>, registry: &str) -> Option<DockerConfig> {
    let is_ours = |object: &&Value| {
        let metadata = &object["metadata"];
        let named = metadata["labels"][STACK_LABEL].as_str().is_some_and(|stack| metadata["name"] == name(stack));
        object["kind"] == "Secret" && named && metadata["annotations"][HASH_ANNOTATION].is_string()
    };
    let read = |object: &Value| {
        let bytes = BASE64_STANDARD.decode(object["data"][KEY].as_str()?).ok()?;
        Some(DockerConfig(String::from_utf8(bytes).ok()?)).filter(|login| login.has(registry))
    };
    objects.into_iter().filter(is_ours).find_map(read)
}

/// One for each stack: stacks that share a namespace come and go without each other.
fn name(stack: &str) -> String {
    format!("orchestrator-registry-{stack}")
}

fn manifest(name: &str, namespace: &str, login: &DockerConfig) -> Manifest {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": TYPE,
        "data": {KEY: BASE64_STANDARD.encode(&login.0)},
    });
    Manifest::made_up(object)
}

/// A pod that names a pull secret does not get those of its ServiceAccount any more: it names these too.
fn name_in_pods<'a>(object: &mut Value, secret: &str, account: impl Fn(&str) -> Option<&'a Value>) {
    const LIST: &str = "imagePullSecrets";
    let Some(spec) = images::pod_spec_path(object).and_then(|path| object.pointer_mut(path)) else { return };
    if spec[LIST].as_array().is_none_or(Vec::is_empty) {
        let account = account(spec["serviceAccountName"].as_str().unwrap_or("default"));
        let inherited = account.and_then(|account| account[LIST].as_array()).cloned();
        spec[LIST] = inherited.unwrap_or_default().into();
    }
    let own = json!({"name": secret});
    match spec[LIST].as_array_mut() {
        Some(named) if !named.contains(&own) => named.push(own),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::manifests::{parse, prepare::prepare},
        *,
    };

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec: {containers: [{image: IMAGE}], MORE}\n";

    fn pod(name: &str, image: &str, more: &str) -> String {
        POD.replace("NAME", name).replace("IMAGE", image).replace("MORE", more)
    }

    fn with_login(documents: &[String]) -> Vec<Value> {
        let manifests = parse(&[("a.yaml".into(), documents.join("---\n"))], "shop").expect("valid manifests");
        let mut stack = ParsedStack {
            name: "store".into(),
            namespace: "shop".into(),
            manifests,
            secrets: Vec::new(),
            checks: Vec::new(),
        };
        let built = BTreeMap::from([("web".into(), "registry/web:1".into())]);
        add(&mut stack, &built, &DockerConfig(r#"{"auths":{"registry":{}}}"#.into()));
        let sent = stack.manifests.into_iter().map(|manifest| prepare(manifest, "store", &built).object);
        sent.collect()
    }

    fn named(objects: &[Value], name: &str) -> Value {
        let object = objects.iter().find(|object| object["metadata"]["name"] == name).expect("an object");
        object["spec"]["imagePullSecrets"].clone()
    }

    #[test]
    fn only_pods_with_built_images_name_the_secret() {
        let ours = json!({"name": "orchestrator-registry-store"});
        let objects = with_login(&[
            pod("built", "web", ""),
            pod("other", "redis:7", ""),
            pod("both", "web", "imagePullSecrets: [{name: mine}]"),
            pod("again", "web", "imagePullSecrets: [{name: orchestrator-registry-store}]"),
        ]);
        assert_eq!(named(&objects, "built"), json!([ours]));
        assert_eq!(named(&objects, "other"), Value::Null);
        assert_eq!(named(&objects, "both"), json!([{"name": "mine"}, ours]));
        assert_eq!(named(&objects, "again"), json!([ours]));
    }

    #[test]
    fn what_a_service_account_pulls_with_is_not_lost() {
        let account =
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: puller}\nimagePullSecrets: [{name: theirs}]\n";
        let objects = with_login(&[account.into(), pod("a", "web", "serviceAccountName: puller"), pod("b", "web", "")]);
        assert_eq!(named(&objects, "a"), json!([{"name": "theirs"}, {"name": "orchestrator-registry-store"}]));
        assert_eq!(named(&objects, "b"), json!([{"name": "orchestrator-registry-store"}]));
    }

    #[test]
    fn each_namespace_with_such_pods_has_a_secret_that_is_known_again() {
        let elsewhere = pod("b", "web", "").replace("{name: b}", "{name: b, namespace: other}");
        let objects = with_login(&[pod("a", "web", ""), elsewhere, pod("c", "redis:7", "")]);
        let secrets: Vec<_> = objects.iter().filter(|object| object["kind"] == "Secret").collect();
        let namespaces: Vec<_> = secrets.iter().map(|secret| &secret["metadata"]["namespace"]).collect();
        assert_eq!(namespaces, ["other", "shop"]);
        assert_eq!(secrets[0]["type"], TYPE);
        assert_eq!(kept(&objects, "registry").expect("kept").0, r#"{"auths":{"registry":{}}}"#);
        assert_eq!(kept(&objects, "docker.io"), None);
        assert_eq!(with_login(&[pod("c", "redis:7", "")]).len(), 1);
    }
}
