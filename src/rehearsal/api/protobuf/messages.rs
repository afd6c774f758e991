//! The messages that `kubectl create` sends, with the field numbers of Kubernetes' `generated.proto` files.

use super::pods::PODS;

/// One field of a message.
pub(super) struct Field {
    pub number: u32,
    /// Its name in JSON.
    pub name: &'static str,
    pub form: Form,
    pub of: Type,
}

#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A single value; `keeps_zero` when unset and zero differ.
    One {
        keeps_zero: bool,
    },
    List,
    Map,
    /// Its fields are those of the message around it.
    Inline,
    /// Set by the server alone.
    Ignored,
}

#[derive(Debug)]
pub(super) enum Type {
    Text,
    Number,
    Bool,
    Bytes,
    Quantity,
    IntOrString,
    Message(&'static str),
}

/// Returns the fields of a message.
pub(super) fn fields(message: &str) -> Option<Vec<Field>> {
    let (_, lines) = MESSAGES.iter().chain(PODS).find(|(name, _)| *name == message)?;
    Some(lines.iter().map(|(number, name, notation)| field(*number, name, notation)).collect())
}

/// `[x]` is a list of x, `{x}` a map to x, `x?` an x whose zero counts, `+x` an inlined x, `-` ignored.
fn field(number: u32, name: &'static str, notation: &'static str) -> Field {
    let inside = |open, close| notation.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let (form, of) = if let Some(of) = inside("[", "]") {
        (Form::List, of)
    } else if let Some(of) = inside("{", "}") {
        (Form::Map, of)
    } else if let Some(of) = notation.strip_prefix('+') {
        (Form::Inline, of)
    } else if let Some(of) = notation.strip_suffix('?') {
        (Form::One { keeps_zero: true }, of)
    } else if notation == "-" {
        (Form::Ignored, "text")
    } else {
        (Form::One { keeps_zero: false }, notation)
    };
    Field { number, name, form, of: of_type(of) }
}

fn of_type(name: &'static str) -> Type {
    match name {
        "text" => Type::Text,
        "int" => Type::Number,
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "Quantity" => Type::Quantity,
        "IntOrString" => Type::IntOrString,
        message => Type::Message(message),
    }
}

pub(super) type Lines = &'static [(u32, &'static str, &'static str)];

#[rustfmt::skip]
const MESSAGES: &[(&str, Lines)] = &[
    ("ObjectMeta", &[
        (1, "name", "text"), (2, "generateName", "text"), (3, "namespace", "text"), (4, "selfLink", "-"),
        (5, "uid", "text"), (6, "resourceVersion", "text"), (7, "generation", "-"), (8, "creationTimestamp", "-"),
        (11, "labels", "{text}"), (12, "annotations", "{text}"), (13, "ownerReferences", "[OwnerReference]"),
        (14, "finalizers", "[text]"),
    ]),
    ("OwnerReference", &[
        (1, "kind", "text"), (3, "name", "text"), (4, "uid", "text"), (5, "apiVersion", "text"),
        (6, "controller", "bool?"), (7, "blockOwnerDeletion", "bool?"),
    ]),
    ("LabelSelector", &[(1, "matchLabels", "{text}"), (2, "matchExpressions", "[LabelSelectorRequirement]")]),
    ("LabelSelectorRequirement", &[(1, "key", "text"), (2, "operator", "text"), (3, "values", "[text]")]),
    ("Quantity", &[(1, "string", "text")]),
    ("IntOrString", &[(1, "type", "int"), (2, "number", "int"), (3, "text", "text")]),
    ("DeleteOptions", &[
        (1, "gracePeriodSeconds", "int?"), (2, "preconditions", "Preconditions"), (3, "orphanDependents", "bool?"),
        (4, "propagationPolicy", "text"), (5, "dryRun", "[text]"),
    ]),
    ("Preconditions", &[(1, "uid", "text"), (2, "resourceVersion", "text")]),
    ("Eviction", &[(1, "metadata", "ObjectMeta"), (2, "deleteOptions", "DeleteOptions")]),
    ("Namespace", &[(1, "metadata", "ObjectMeta"), (2, "spec", "NamespaceSpec"), (3, "status", "-")]),
    ("NamespaceSpec", &[(1, "finalizers", "[text]")]),
    ("ConfigMap", &[
        (1, "metadata", "ObjectMeta"), (2, "data", "{text}"), (3, "binaryData", "{bytes}"), (4, "immutable", "bool?"),
    ]),
    ("Secret", &[
        (1, "metadata", "ObjectMeta"), (2, "data", "{bytes}"), (3, "type", "text"), (4, "stringData", "{text}"),
        (5, "immutable", "bool?"),
    ]),
    ("ServiceAccount", &[
        (1, "metadata", "ObjectMeta"), (2, "secrets", "[ObjectReference]"),
        (3, "imagePullSecrets", "[LocalObjectReference]"), (4, "automountServiceAccountToken", "bool?"),
    ]),
    ("ObjectReference", &[
        (1, "kind", "text"), (2, "namespace", "text"), (3, "name", "text"), (4, "uid", "text"),
        (5, "apiVersion", "text"), (6, "resourceVersion", "text"), (7, "fieldPath", "text"),
    ]),
    ("LocalObjectReference", &[(1, "name", "text")]),
    ("Service", &[(1, "metadata", "ObjectMeta"), (2, "spec", "ServiceSpec"), (3, "status", "-")]),
    ("ServiceSpec", &[
        (1, "ports", "[ServicePort]"), (2, "selector", "{text}"), (3, "clusterIP", "text"), (4, "type", "text"),
        (5, "externalIPs", "[text]"), (7, "sessionAffinity", "text"), (8, "loadBalancerIP", "text"),
        (9, "loadBalancerSourceRanges", "[text]"), (10, "externalName", "text"),
        (11, "externalTrafficPolicy", "text"), (12, "healthCheckNodePort", "int"),
        (13, "publishNotReadyAddresses", "bool"), (17, "ipFamilyPolicy", "text"), (18, "clusterIPs", "[text]"),
        (19, "ipFamilies", "[text]"), (20, "allocateLoadBalancerNodePorts", "bool?"),
        (21, "loadBalancerClass", "text"), (22, "internalTrafficPolicy", "text"), (23, "trafficDistribution", "text"),
    ]),
    ("ServicePort", &[
        (1, "name", "text"), (2, "protocol", "text"), (3, "port", "int"), (4, "targetPort", "IntOrString"),
        (5, "nodePort", "int"), (6, "appProtocol", "text"),
    ]),
    ("ResourceQuota", &[(1, "metadata", "ObjectMeta"), (2, "spec", "ResourceQuotaSpec"), (3, "status", "-")]),
    ("ResourceQuotaSpec", &[(1, "hard", "{Quantity}"), (2, "scopes", "[text]")]),
    ("Deployment", &[(1, "metadata", "ObjectMeta"), (2, "spec", "DeploymentSpec"), (3, "status", "-")]),
    ("DeploymentSpec", &[
        (1, "replicas", "int?"), (2, "selector", "LabelSelector"), (3, "template", "PodTemplateSpec"),
        (4, "strategy", "DeploymentStrategy"), (5, "minReadySeconds", "int"), (6, "revisionHistoryLimit", "int?"),
        (7, "paused", "bool"), (9, "progressDeadlineSeconds", "int?"),
    ]),
    ("DeploymentStrategy", &[(1, "type", "text"), (2, "rollingUpdate", "RollingUpdateDeployment")]),
    ("RollingUpdateDeployment", &[(1, "maxUnavailable", "IntOrString"), (2, "maxSurge", "IntOrString")]),
    ("Job", &[(1, "metadata", "ObjectMeta"), (2, "spec", "JobSpec"), (3, "status", "-")]),
    ("JobSpec", &[
        (1, "parallelism", "int?"), (2, "completions", "int?"), (3, "activeDeadlineSeconds", "int?"),
        (4, "selector", "LabelSelector"), (5, "manualSelector", "bool?"), (6, "template", "PodTemplateSpec"),
        (7, "backoffLimit", "int?"), (8, "ttlSecondsAfterFinished", "int?"), (9, "completionMode", "text"),
        (10, "suspend", "bool?"), (11, "podFailurePolicy", "PodFailurePolicy"), (12, "backoffLimitPerIndex", "int?"),
        (13, "maxFailedIndexes", "int?"), (14, "podReplacementPolicy", "text?"), (15, "managedBy", "text?"),
        (16, "successPolicy", "SuccessPolicy"),
    ]),
    ("PodFailurePolicy", &[(1, "rules", "[PodFailurePolicyRule]")]),
    ("PodFailurePolicyRule", &[
        (1, "action", "text"), (2, "onExitCodes", "PodFailurePolicyOnExitCodesRequirement"),
        (3, "onPodConditions", "[PodFailurePolicyOnPodConditionsPattern]"),
    ]),
    ("PodFailurePolicyOnExitCodesRequirement", &[
        (1, "containerName", "text?"), (2, "operator", "text"), (3, "values", "[int]"),
    ]),
    ("PodFailurePolicyOnPodConditionsPattern", &[(1, "type", "text"), (2, "status", "text")]),
    ("SuccessPolicy", &[(1, "rules", "[SuccessPolicyRule]")]),
    ("SuccessPolicyRule", &[(1, "succeededIndexes", "text?"), (2, "succeededCount", "int?")]),
    ("CronJob", &[(1, "metadata", "ObjectMeta"), (2, "spec", "CronJobSpec"), (3, "status", "-")]),
    ("CronJobSpec", &[
        (1, "schedule", "text"), (2, "startingDeadlineSeconds", "int?"), (3, "concurrencyPolicy", "text"),
        (4, "suspend", "bool?"), (5, "jobTemplate", "JobTemplateSpec"), (6, "successfulJobsHistoryLimit", "int?"),
        (7, "failedJobsHistoryLimit", "int?"), (8, "timeZone", "text"),
    ]),
    ("JobTemplateSpec", &[(1, "metadata", "ObjectMeta"), (2, "spec", "JobSpec")]),
    ("Role", &[(1, "metadata", "ObjectMeta"), (2, "rules", "[PolicyRule]")]),
    ("ClusterRole", &[
        (1, "metadata", "ObjectMeta"), (2, "rules", "[PolicyRule]"), (3, "aggregationRule", "AggregationRule"),
    ]),
    ("AggregationRule", &[(1, "clusterRoleSelectors", "[LabelSelector]")]),
    ("PolicyRule", &[
        (1, "verbs", "[text]"), (2, "apiGroups", "[text]"), (3, "resources", "[text]"),
        (4, "resourceNames", "[text]"), (5, "nonResourceURLs", "[text]"),
    ]),
    ("RoleBinding", &[(1, "metadata", "ObjectMeta"), (2, "subjects", "[Subject]"), (3, "roleRef", "RoleRef")]),
    ("ClusterRoleBinding", &[(1, "metadata", "ObjectMeta"), (2, "subjects", "[Subject]"), (3, "roleRef", "RoleRef")]),
    ("Subject", &[(1, "kind", "text"), (2, "apiGroup", "text"), (3, "name", "text"), (4, "namespace", "text")]),
    ("RoleRef", &[(1, "apiGroup", "text"), (2, "kind", "text"), (3, "name", "text")]),
    ("PodDisruptionBudget", &[
        (1, "metadata", "ObjectMeta"), (2, "spec", "PodDisruptionBudgetSpec"), (3, "status", "-"),
    ]),
    ("PodDisruptionBudgetSpec", &[
        (1, "minAvailable", "IntOrString"), (2, "selector", "LabelSelector"), (3, "maxUnavailable", "IntOrString"),
        (4, "unhealthyPodEvictionPolicy", "text"),
    ]),
    ("Ingress", &[(1, "metadata", "ObjectMeta"), (2, "spec", "IngressSpec"), (3, "status", "-")]),
    ("IngressSpec", &[
        (1, "defaultBackend", "IngressBackend"), (2, "tls", "[IngressTLS]"), (3, "rules", "[IngressRule]"),
        (4, "ingressClassName", "text"),
    ]),
    ("IngressTLS", &[(1, "hosts", "[text]"), (2, "secretName", "text")]),
    ("IngressRule", &[(1, "host", "text"), (2, "", "+IngressRuleValue")]),
    ("IngressRuleValue", &[(1, "http", "HTTPIngressRuleValue")]),
    ("HTTPIngressRuleValue", &[(1, "paths", "[HTTPIngressPath]")]),
    ("HTTPIngressPath", &[(1, "path", "text"), (2, "backend", "IngressBackend"), (3, "pathType", "text")]),
    ("IngressBackend", &[(4, "service", "IngressServiceBackend")]),
    ("IngressServiceBackend", &[(1, "name", "text"), (2, "port", "ServiceBackendPort")]),
    ("ServiceBackendPort", &[(1, "name", "text"), (2, "number", "int")]),
    ("PriorityClass", &[
        (1, "metadata", "ObjectMeta"), (2, "value", "int?"), (3, "globalDefault", "bool"), (4, "description", "text"),
        (5, "preemptionPolicy", "text"),
    ]),
    ("HorizontalPodAutoscaler", &[
        (1, "metadata", "ObjectMeta"), (2, "spec", "HorizontalPodAutoscalerSpec"), (3, "status", "-"),
    ]),
    ("HorizontalPodAutoscalerSpec", &[
        (1, "scaleTargetRef", "CrossVersionObjectReference"), (2, "minReplicas", "int?"), (3, "maxReplicas", "int"),
        (4, "metrics", "[MetricSpec]"),
    ]),
    ("HorizontalPodAutoscalerV1", &[
        (1, "metadata", "ObjectMeta"), (2, "spec", "HorizontalPodAutoscalerSpecV1"), (3, "status", "-"),
    ]),
    ("HorizontalPodAutoscalerSpecV1", &[
        (1, "scaleTargetRef", "CrossVersionObjectReference"), (2, "minReplicas", "int?"), (3, "maxReplicas", "int"),
        (4, "targetCPUUtilizationPercentage", "int?"),
    ]),
    ("CrossVersionObjectReference", &[(1, "kind", "text"), (2, "name", "text"), (3, "apiVersion", "text")]),
    ("MetricSpec", &[(1, "type", "text"), (4, "resource", "ResourceMetricSource")]),
    ("ResourceMetricSource", &[(1, "name", "text"), (2, "target", "MetricTarget")]),
    ("MetricTarget", &[
        (1, "type", "text"), (2, "value", "Quantity"), (3, "averageValue", "Quantity"),
        (4, "averageUtilization", "int?"),
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_that_is_named_is_described() {
        for (name, _) in MESSAGES.iter().chain(PODS) {
            for field in fields(name).unwrap() {
                if let Type::Message(inner) = field.of {
                    assert!(fields(inner).is_some(), "{inner} in {name}");
                }
            }
        }
    }
}
