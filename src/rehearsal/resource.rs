//! The resources that the rehearsal's API serves, each tied to its real type.

use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch, coordination::v1 as coordination,
    core::v1 as core, discovery::v1 as discovery, networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac,
    scheduling::v1 as scheduling, storage::v1 as storage,
};
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::object::decode::{self, Findings};

/// One resource of the API, as discovery describes it.
#[derive(Debug)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub short_names: &'static [&'static str],
    pub categories: &'static [&'static str],
    pub namespaced: bool,
    /// Has a `/status` subresource.
    pub status: bool,
    /// Has a `/scale` subresource.
    pub scale: bool,
    /// Reads a value by the real type: unknown fields, wrong types, quantities.
    pub inspect: fn(&Value) -> Findings,
    /// Adds the JSON Schema of the type, and of those in it, to a generator; returns a reference to it.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Resource {
    /// Returns `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.into() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Returns whether the server counts changes of the object's spec in `metadata.generation`.
    pub fn counts_generations(&self) -> bool {
        matches!(self.group, "apps" | "batch" | "networking.k8s.io" | "policy") && self.kind != "IngressClass"
    }

    /// Returns `pods` or `deployments.apps`, as the API server's messages write it.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.into() } else { format!("{}.{}", self.plural, self.group) }
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        (self.group, self.plural) == (other.group, other.plural)
    }
}

impl Eq for Resource {}

macro_rules! resources {
    ($($group:literal $version:literal $kind:ident $ty:ty, $plural:literal $short:expr, $scope:ident $(, $flag:ident)*;)*) => {
        /// Every resource served, in the order of discovery.
        pub static RESOURCES: &[Resource] = &[$(Resource {
            group: $group,
            version: $version,
            kind: stringify!($kind),
            plural: $plural,
            short_names: &$short,
            categories: resources!(@categories $($flag)*),
            namespaced: resources!(@scope $scope),
            status: resources!(@has status $($flag)*),
            scale: resources!(@has scale $($flag)*),
            inspect: |value| decode::inspect::<$ty>(value, $version),
            schema: |generator| generator.subschema_for::<$ty>(),
        }),*];
    };
    (@scope namespaced) => { true };
    (@scope cluster) => { false };
    (@categories) => { &[] };
    (@categories all $($rest:ident)*) => { &["all"] };
    (@categories $other:ident $($rest:ident)*) => { resources!(@categories $($rest)*) };
    (@has status) => { false };
    (@has status status $($rest:ident)*) => { true };
    (@has status $other:ident $($rest:ident)*) => { resources!(@has status $($rest)*) };
    (@has scale) => { false };
    (@has scale scale $($rest:ident)*) => { true };
    (@has scale $other:ident $($rest:ident)*) => { resources!(@has scale $($rest)*) };
}

resources! {
    "" "v1" ConfigMap core::ConfigMap, "configmaps" ["cm"], namespaced;
    "" "v1" Endpoints core::Endpoints, "endpoints" ["ep"], namespaced;
    "" "v1" Event core::Event, "events" ["ev"], namespaced;
    "" "v1" LimitRange core::LimitRange, "limitranges" ["limits"], namespaced;
    "" "v1" Namespace core::Namespace, "namespaces" ["ns"], cluster, status;
    "" "v1" Node core::Node, "nodes" ["no"], cluster, status;
    "" "v1" PersistentVolumeClaim core::PersistentVolumeClaim, "persistentvolumeclaims" ["pvc"], namespaced, status;
    "" "v1" PersistentVolume core::PersistentVolume, "persistentvolumes" ["pv"], cluster, status;
    "" "v1" Pod core::Pod, "pods" ["po"], namespaced, all, status;
    "" "v1" ResourceQuota core::ResourceQuota, "resourcequotas" ["quota"], namespaced, status;
    "" "v1" Secret core::Secret, "secrets" [], namespaced;
    "" "v1" ServiceAccount core::ServiceAccount, "serviceaccounts" ["sa"], namespaced;
    "" "v1" Service core::Service, "services" ["svc"], namespaced, all, status;
    "apps" "v1" ControllerRevision apps::ControllerRevision, "controllerrevisions" [], namespaced;
    "apps" "v1" DaemonSet apps::DaemonSet, "daemonsets" ["ds"], namespaced, all, status;
    "apps" "v1" Deployment apps::Deployment, "deployments" ["deploy"], namespaced, all, status, scale;
    "apps" "v1" ReplicaSet apps::ReplicaSet, "replicasets" ["rs"], namespaced, all, status, scale;
    "apps" "v1" StatefulSet apps::StatefulSet, "statefulsets" ["sts"], namespaced, all, status, scale;
    "autoscaling" "v2" HorizontalPodAutoscaler autoscaling::HorizontalPodAutoscaler, "horizontalpodautoscalers" ["hpa"], namespaced, all, status;
    "batch" "v1" CronJob batch::CronJob, "cronjobs" ["cj"], namespaced, all, status;
    "batch" "v1" Job batch::Job, "jobs" [], namespaced, all, status;
    "coordination.k8s.io" "v1" Lease coordination::Lease, "leases" [], namespaced;
    "discovery.k8s.io" "v1" EndpointSlice discovery::EndpointSlice, "endpointslices" [], namespaced;
    "networking.k8s.io" "v1" IngressClass networking::IngressClass, "ingressclasses" [], cluster;
    "networking.k8s.io" "v1" Ingress networking::Ingress, "ingresses" ["ing"], namespaced, status;
    "networking.k8s.io" "v1" NetworkPolicy networking::NetworkPolicy, "networkpolicies" ["netpol"], namespaced;
    "policy" "v1" PodDisruptionBudget policy::PodDisruptionBudget, "poddisruptionbudgets" ["pdb"], namespaced, status;
    "rbac.authorization.k8s.io" "v1" ClusterRoleBinding rbac::ClusterRoleBinding, "clusterrolebindings" [], cluster;
    "rbac.authorization.k8s.io" "v1" ClusterRole rbac::ClusterRole, "clusterroles" [], cluster;
    "rbac.authorization.k8s.io" "v1" RoleBinding rbac::RoleBinding, "rolebindings" [], namespaced;
    "rbac.authorization.k8s.io" "v1" Role rbac::Role, "roles" [], namespaced;
    "scheduling.k8s.io" "v1" PriorityClass scheduling::PriorityClass, "priorityclasses" ["pc"], cluster;
    "storage.k8s.io" "v1" StorageClass storage::StorageClass, "storageclasses" ["sc"], cluster;
}

/// Returns the resource with this group and plural name.
pub fn by_plural(group: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.group == group && resource.plural == plural)
}

/// Returns the resource with this kind.
///
/// # Panics
/// Panics if no such kind is served: `kind` is a name written in this program, never input.
pub fn of(kind: &str) -> &'static Resource {
    RESOURCES.iter().find(|resource| resource.kind == kind).unwrap_or_else(|| panic!("kind {kind} is served"))
}
