//! Which kinds an API serves: told in two answers since Kubernetes 1.27 (apidiscovery.k8s.io), before in one for each group
//! and version (kubernetes.io/docs/concepts/overview/kubernetes-api, "Discovery API").

use futures::{StreamExt, TryStreamExt, stream};
use http::{Request, header::ACCEPT};
use serde_json::Value;

use super::{KubeClient, within};
use crate::effects::kube::{KubeError, ServedKind};

/// All at once; a server that does not know how takes the last.
const ACCEPTED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                        application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                        application/json";
/// How many documents of an old server are asked for at the same time.
const PARALLEL: usize = 8;

impl KubeClient {
    pub(super) async fn discover(&self) -> Result<Vec<ServedKind>, KubeError> {
        let mut kinds = Vec::new();
        for root in ["/api", "/apis"] {
            let request = Request::get(root).header(ACCEPT, ACCEPTED).body(Vec::new());
            let request = request.map_err(|error| KubeError::Unreachable(error.to_string()))?;
            let answer = within(self.client.request::<Value>(request)).await?;
            if answer["kind"] == "APIGroupDiscoveryList" {
                kinds.extend(served_at_once(&answer));
                continue;
            }
            let versions = stream::iter(versions(&answer));
            let each = versions.map(|version| async move { self.served_in(root, &version).await });
            let lists: Vec<_> = each.buffered(PARALLEL).try_collect().await?;
            kinds.extend(lists.into_iter().flatten());
        }
        Ok(kinds)
    }

    /// Returns the kinds of one group and version: none where its own server is away, as metrics-server's is at first.
    async fn served_in(&self, root: &str, version: &str) -> Result<Vec<ServedKind>, KubeError> {
        match self.get_json(&format!("{root}/{version}")).await {
            Ok(list) => Ok(served_in(version, &list)),
            Err(KubeError::NotFound(_) | KubeError::Refused(503, _)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Reads an APIGroupDiscoveryList (apidiscovery.k8s.io/v2).
fn served_at_once(groups: &Value) -> Vec<ServedKind> {
    let mut kinds = Vec::new();
    for group in items(&groups["items"]) {
        let name = text(&group["metadata"]["name"]);
        for version in items(&group["versions"]) {
            let number = text(&version["version"]);
            let api_version = if name.is_empty() { number } else { format!("{name}/{number}") };
            for resource in items(&version["resources"]) {
                kinds.push(ServedKind {
                    api_version: api_version.clone(),
                    kind: text(&resource["responseKind"]["kind"]),
                    plural: text(&resource["resource"]),
                    namespaced: resource["scope"] == "Namespaced",
                    verbs: items(&resource["verbs"]).iter().map(text).collect(),
                });
            }
        }
    }
    kinds
}

/// Returns the versions of an APIVersions, or the groups with their versions of an APIGroupList.
fn versions(answer: &Value) -> Vec<String> {
    let of_group =
        |group: &Value| items(&group["versions"]).iter().map(|version| text(&version["groupVersion"])).collect();
    let groups = items(&answer["groups"]).iter().flat_map::<Vec<_>, _>(of_group);
    items(&answer["versions"]).iter().map(text).chain(groups).collect()
}

/// Reads an APIResourceList.
fn served_in(version: &str, list: &Value) -> Vec<ServedKind> {
    let resources = items(&list["resources"]).iter().filter(|resource| !text(&resource["name"]).contains('/'));
    let served = |resource: &Value| ServedKind {
        api_version: version.to_owned(),
        kind: text(&resource["kind"]),
        plural: text(&resource["name"]),
        namespaced: resource["namespaced"] == true,
        verbs: items(&resource["verbs"]).iter().map(text).collect(),
    };
    resources.map(served).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_old_server_names_its_groups_and_versions() {
        assert_eq!(versions(&json!({"kind": "APIVersions", "versions": ["v1"]})), ["v1"]);
        let groups = json!({"kind": "APIGroupList", "groups": [
            {"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]},
            {"name": "autoscaling", "versions": [
                {"groupVersion": "autoscaling/v1", "version": "v1"},
                {"groupVersion": "autoscaling/v2beta2", "version": "v2beta2"},
            ]},
        ]});
        assert_eq!(versions(&groups), ["apps/v1", "autoscaling/v1", "autoscaling/v2beta2"]);
    }

    #[test]
    fn both_ways_tell_the_same() {
        let verbs = json!(["create", "delete", "get", "list", "patch"]);
        let at_once = json!({"items": [{"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [{
            "resource": "deployments", "responseKind": {"group": "", "version": "", "kind": "Deployment"},
            "scope": "Namespaced", "verbs": verbs, "subresources": [{"subresource": "scale"}],
        }]}]}]});
        let list = json!({"groupVersion": "apps/v1", "resources": [
            {"name": "deployments", "namespaced": true, "kind": "Deployment", "verbs": verbs},
            {"name": "deployments/scale", "namespaced": true, "kind": "Scale", "verbs": ["get"]},
        ]});
        assert_eq!(served_at_once(&at_once), served_in("apps/v1", &list));
        assert_eq!(served_at_once(&at_once).len(), 1);
    }
}
