//! What a container's environment and a pod's volumes need from ConfigMaps and Secrets.

use serde_json::Value;

use super::super::context::Context;

/// Returns the kubelet's words for the first thing a container's environment lacks.
pub fn missing_environment(cx: &Context, namespace: &str, container: &Value) -> Option<String> {
    let sources = container["envFrom"].as_array().into_iter().flatten();
    let wholes = sources.flat_map(|source| [("ConfigMap", &source["configMapRef"]), ("Secret", &source["secretRef"])]);
    let variables = container["env"].as_array().into_iter().flatten().map(|variable| &variable["valueFrom"]);
    let keys = variables.flat_map(|from| [("ConfigMap", &from["configMapKeyRef"]), ("Secret", &from["secretKeyRef"])]);
    wholes.chain(keys).find_map(|(kind, reference)| missing(cx, namespace, kind, reference))
}

fn missing(cx: &Context, namespace: &str, kind: &str, reference: &Value) -> Option<String> {
    if reference.is_null() || reference["optional"] == true {
        return None;
    }
    let name = reference["name"].as_str().unwrap_or_default();
    let Some(object) = cx.get(kind, namespace, name) else {
        return Some(format!("{} \"{name}\" not found", kind.to_lowercase()));
    };
    let key = reference["key"].as_str()?;
    let value = object.value();
    let there = ["data", "binaryData"].iter().any(|part| !value[part][key].is_null());
    (!there).then(|| format!("couldn't find key {key} in {kind} {namespace}/{name}"))
}

/// Returns the name of the first volume that cannot be mounted, and why.
pub fn missing_volume(cx: &Context, pod: &Value) -> Option<(String, String)> {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.into_iter().find_map(|volume| {
        let projected = volume["projected"]["sources"].as_array().into_iter().flatten();
        let mut sources = std::iter::once(volume).chain(projected);
        let cause = sources.find_map(|source| missing_source(cx, namespace, source))?;
        Some((volume["name"].as_str().unwrap_or_default().to_owned(), cause))
    })
}

fn missing_source(cx: &Context, namespace: &str, source: &Value) -> Option<String> {
    let kinds = [("ConfigMap", &source["configMap"], "name"), ("Secret", &source["secret"], "secretName")];
    kinds.into_iter().find_map(|(kind, part, key)| {
        if part.is_null() || part["optional"] == true {
            return None;
        }
        let name = part[key].as_str().or_else(|| part["name"].as_str()).unwrap_or_default();
        let Some(object) = cx.get(kind, namespace, name) else {
            return Some(format!("{} \"{name}\" not found", kind.to_lowercase()));
        };
        missing_item(&object.value(), part)
    })
}

fn missing_item(object: &Value, part: &Value) -> Option<String> {
    let items = part["items"].as_array().into_iter().flatten();
    let mut keys = items.filter_map(|item| item["key"].as_str());
    let key = keys.find(|key| object["data"][*key].is_null() && object["binaryData"][*key].is_null())?;
    Some(format!("references non-existent config key: {key}"))
}
