//! Paths.

use percent_encoding::percent_decode_str;

use crate::rehearsal::resource::{Resource, by_plural};

/// What a path of the Kubernetes API names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub resource: &'static Resource,
    /// `None` for cluster-wide resources and for all namespaces.
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

impl Target {
    /// Returns the namespace part of the object's key.
    pub fn space(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/livez`, `/readyz`, `/healthz` and what is below them.
    Health(&'a str),
    Version,
    Ping,
    CaCerts,
    /// Below `/rehearsal/v1/`.
    Extension,
    /// Below `/v1-k3s/`.
    Supervisor,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/G`
    Group(&'a str),
    /// `/api/v1` and `/apis/G/V`
    Resources {
        group: &'a str,
        version: &'a str,
    },
    /// `/openapi/v3`, or one group-version of it
    OpenApi(Option<&'a str>),
    /// `/openapi/v2`
    OldOpenApi,
    /// The collection of CustomResourceDefinitions
    CustomResources,
    /// A review that asks whether the user may do something.
    Review {
        group: &'a str,
        plural: &'a str,
    },
    Target(Target),
    /// The collection of `autoscaling/v1` autoscalers in a namespace, as the target that stores them.
    OldAutoscalers(Target),
    Unknown,
}

/// Reads a path.
pub(super) fn route(path: &str) -> Route<'_> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments[..] {
        ["livez" | "readyz" | "healthz", ..] => Route::Health(segments[0]),
        ["version"] => Route::Version,
        ["ping"] => Route::Ping,
        ["cacerts"] => Route::CaCerts,
        ["rehearsal", "v1", ..] => Route::Extension,
        ["v1-k3s", ..] => Route::Supervisor,
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["apis", group] => Route::Group(group),
        ["api", "v1"] => Route::Resources { group: "", version: "v1" },
        ["apis", group, version] => Route::Resources { group, version },
        ["openapi", "v2"] => Route::OldOpenApi,
        ["apis", "apiextensions.k8s.io", "v1", "customresourcedefinitions"] => Route::CustomResources,
        ["openapi", "v3"] => Route::OpenApi(None),
        ["openapi", "v3", ..] => Route::OpenApi(path.strip_prefix("/openapi/v3/")),
        ["apis", group @ ("authorization.k8s.io" | "authentication.k8s.io"), "v1", plural] => {
            Route::Review { group, plural }
        }
        ["apis", "autoscaling", "v1", "namespaces", _, "horizontalpodautoscalers"] => {
            target("autoscaling", "v2", &segments[3..]).map_or(Route::Unknown, Route::OldAutoscalers)
        }
        ["api", "v1", ref rest @ ..] => target("", "v1", rest).map_or(Route::Unknown, Route::Target),
        ["apis", group, version, ref rest @ ..] => target(group, version, rest).map_or(Route::Unknown, Route::Target),
        _ => Route::Unknown,
    }
}

fn target(group: &str, version: &str, rest: &[&str]) -> Option<Target> {
    let (namespace, rest) = match rest {
        // `namespaces/x/status` is about the namespace x itself.
        ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => (None, rest),
        ["namespaces", namespace, rest @ ..] => (Some(decode(namespace)?), rest),
        _ => (None, rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(decode(name)?), None),
        [plural, name, subresource @ "proxy", ..] | [plural, name, subresource] => {
            (plural, Some(decode(name)?), Some((*subresource).to_owned()))
        }
        _ => return None,
    };
    let resource = by_plural(group, plural).filter(|resource| resource.version == version)?;
    let fits = if resource.namespaced { namespace.is_some() || name.is_none() } else { namespace.is_none() };
    fits.then_some(Target { resource, namespace, name, subresource })
}

fn decode(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> String {
        let Route::Target(target) = route(path) else { return "nothing".into() };
        let parts = [target.namespace, target.name, target.subresource].map(|part| part.unwrap_or_else(|| "-".into()));
        format!("{} {}", target.resource.kind, parts.join(" "))
    }

    #[test]
    fn paths_name_objects_collections_and_subresources() {
        assert_eq!(read("/api/v1/pods"), "Pod - - -");
        assert_eq!(read("/api/v1/namespaces/a/pods/p/log"), "Pod a p log");
        assert_eq!(read("/api/v1/namespaces/a"), "Namespace - a -");
        assert_eq!(read("/api/v1/namespaces/a/finalize"), "Namespace - a finalize");
        assert_eq!(read("/apis/apps/v1/namespaces/a/deployments"), "Deployment a - -");
        assert_eq!(
            read("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode"),
            "ClusterRole - system:node -"
        );
    }

    #[test]
    fn paths_that_name_nothing_are_unknown() {
        for path in ["/api/v1/pods/p", "/apis/apps/v2/deployments", "/api/v1/namespaces/a/nodes/n", "/x", "/"] {
            assert_eq!(route(path), Route::Unknown, "{path}");
        }
    }
}
