//! Which resources there are: the old way (a document per group and version) and the aggregated one.

use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::reply::{self, Reply};
use crate::rehearsal::{
    object::status::Status,
    resource::{RESOURCES, Resource},
};

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// One subresource as discovery describes it.
struct Subresource {
    name: &'static str,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
}

fn subresources(resource: &Resource) -> Vec<Subresource> {
    let own = |name, verbs| Subresource {
        name,
        group: resource.group,
        version: resource.version,
        kind: resource.kind,
        verbs,
    };
    let mut all = Vec::new();
    if resource.kind == "Pod" {
        let options = |name, kind, verbs| Subresource { name, group: "", version: "v1", kind, verbs };
        all.push(options("attach", "PodAttachOptions", &["create", "get"]));
        all.push(Subresource {
            name: "eviction",
            group: "policy",
            version: "v1",
            kind: "Eviction",
            verbs: &["create"],
        });
        all.push(options("exec", "PodExecOptions", &["create", "get"]));
        all.push(own("log", &["get"]));
        all.push(options("portforward", "PodPortForwardOptions", &["create", "get"]));
    }
    if resource.kind == "Namespace" {
        all.push(own("finalize", &["update"]));
    }
    if resource.scale {
        let verbs = &["get", "patch", "update"];
        all.push(Subresource { name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs });
    }
    if resource.status {
        all.push(own("status", &["get", "patch", "update"]));
    }
    all
}

/// Returns groups with their versions, in order; the core group is the first.
fn groups() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for resource in RESOURCES {
        match groups.iter_mut().find(|(group, _)| *group == resource.group) {
            None => groups.push((resource.group, vec![resource.version])),
            Some((_, versions)) if !versions.contains(&resource.version) => versions.push(resource.version),
            Some(_) => {}
        }
    }
    groups
}

fn members(group: &str, version: &str) -> impl Iterator<Item = &'static Resource> {
    RESOURCES.iter().filter(move |resource| resource.group == group && resource.version == version)
}

/// Answers `/api`.
pub(super) fn core(headers: &HeaderMap) -> Reply {
    aggregated(headers, str::is_empty).unwrap_or_else(|| {
        reply::json(
            StatusCode::OK,
            &json!({"kind": "APIVersions", "versions": ["v1"],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]}),
        )
    })
}

/// Answers `/apis`.
pub(super) fn named(headers: &HeaderMap) -> Reply {
    aggregated(headers, |group| !group.is_empty()).unwrap_or_else(|| {
        let groups: Vec<_> = groups()
            .iter()
            .filter(|(group, _)| !group.is_empty())
            .map(|(group, versions)| legacy_group(group, versions))
            .collect();
        reply::json(StatusCode::OK, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
    })
}

/// Answers `/apis/G`.
pub(super) fn group(name: &str) -> Result<Reply, Status> {
    let groups = groups();
    let (group, versions) = groups.iter().find(|(group, _)| *group == name).ok_or_else(Status::no_such_path)?;
    let mut document = legacy_group(group, versions);
    document["kind"] = json!("APIGroup");
    document["apiVersion"] = json!("v1");
    Ok(reply::json(StatusCode::OK, &document))
}

fn legacy_group(group: &str, versions: &[&str]) -> Value {
    let versions: Vec<_> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions[0]})
}

/// Answers `/api/v1` and `/apis/G/V`.
pub(super) fn resources(group: &str, version: &str) -> Result<Reply, Status> {
    let resources: Vec<Value> = members(group, version).flat_map(legacy_resources).collect();
    if resources.is_empty() {
        return Err(Status::no_such_path());
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Ok(reply::json(
        StatusCode::OK,
        &json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}),
    ))
}

fn legacy_resources(resource: &'static Resource) -> Vec<Value> {
    let mut main = json!({
        "name": resource.plural, "singularName": resource.kind.to_lowercase(), "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": VERBS,
    });
    add_names(&mut main, resource);
    let subresources = subresources(resource).into_iter().map(|sub| {
        let mut value = json!({
            "name": format!("{}/{}", resource.plural, sub.name), "singularName": "", "namespaced": resource.namespaced,
            "kind": sub.kind, "verbs": sub.verbs,
        });
        if sub.group != resource.group {
            value["group"] = json!(sub.group);
            value["version"] = json!(sub.version);
        }
        value
    });
    std::iter::once(main).chain(subresources).collect()
}

fn add_names(value: &mut Value, resource: &Resource) {
    if !resource.short_names.is_empty() {
        value["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        value["categories"] = json!(resource.categories);
    }
}

/// Answers with the aggregated form when the client asks for one of its versions.
fn aggregated(headers: &HeaderMap, wanted: impl Fn(&str) -> bool) -> Option<Reply> {
    let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
    let asks = |version: &str| {
        accept
            .split(',')
            .any(|range| range.contains("as=APIGroupDiscoveryList") && range.split(';').any(|part| part == version))
    };
    let (version, media_type) = if asks("v=v2") {
        ("v2", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    } else if asks("v=v2beta1") {
        ("v2beta1", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList")
    } else {
        return None;
    };
    let groups = groups();
    let items: Vec<_> = groups
        .iter()
        .filter(|(group, _)| wanted(group))
        .map(|(group, versions)| aggregated_group(group, versions))
        .collect();
    let document = json!({"kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {}, "items": items});
    Some(reply::bytes(StatusCode::OK, media_type, document.to_string()))
}

fn aggregated_group(group: &str, versions: &[&str]) -> Value {
    let versions: Vec<_> = versions
        .iter()
        .map(|version| {
            let resources: Vec<_> = members(group, version).map(aggregated_resource).collect();
            json!({"version": version, "freshness": "Current", "resources": resources})
        })
        .collect();
    json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
}

fn aggregated_resource(resource: &'static Resource) -> Value {
    let kind = |group, version, kind| json!({"group": group, "version": version, "kind": kind});
    let mut value = json!({
        "resource": resource.plural, "responseKind": kind(resource.group, resource.version, resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.kind.to_lowercase(), "verbs": VERBS,
    });
    add_names(&mut value, resource);
    let subresources: Vec<_> = subresources(resource)
        .iter()
        .map(|sub| json!({"subresource": sub.name, "responseKind": kind(sub.group, sub.version, sub.kind), "verbs": sub.verbs}))
        .collect();
    if !subresources.is_empty() {
        value["subresources"] = json!(subresources);
    }
    value
}
