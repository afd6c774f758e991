//! From a finding to the failure that the user reads.

use std::collections::BTreeMap;

use super::Finding;
use crate::{
    failure::{
        CONTAINER_CONFIG, CONTAINER_CRASHES, Failure, IMAGE_NOT_PULLED, POD_NOT_READY, POD_UNSCHEDULABLE,
        VOLUME_NOT_BOUND,
    },
    model::registry::host,
};

/// The workload that a pod belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub kind: String,
    pub name: String,
    pub namespace: String,
    pub stack: String,
    /// `file:line` of its manifest.
    pub declared: String,
}

/// What it takes to name the next command.
#[derive(Debug, Clone, Copy)]
pub struct Advice<'a> {
    /// The command that reaches the cluster, such as `kubectl --kubeconfig .orchestrator/shop/kubeconfig`.
    pub kubectl: &'a str,
    /// Full image references by build name.
    pub references: &'a BTreeMap<String, String>,
}

/// Makes the failure of a workload whose pod has this finding. `log` are the container's last lines.
pub fn failure(workload: &Workload, finding: &Finding, log: &str, advice: Advice<'_>) -> Failure {
    let what = format!("{} `{}`: pod `{}` {}", workload.kind, workload.name, finding.pod, trouble(finding));
    let failure = finding.because.iter().fold(Failure::new(finding.entry, what), Failure::because);
    failure.output(log).hint(hint(workload, finding, advice))
}

fn trouble(finding: &Finding) -> String {
    let container = finding.container.as_deref().unwrap_or_default();
    let image = finding.image.as_deref().unwrap_or_default();
    match finding.entry.id {
        id if id == IMAGE_NOT_PULLED.id => format!("cannot get its image `{image}`"),
        id if id == CONTAINER_CRASHES.id => format!("ends again and again (container `{container}`)"),
        id if id == POD_UNSCHEDULABLE.id => "fits on no node".into(),
        id if id == POD_NOT_READY.id => "runs and does not become ready".into(),
        id if id == CONTAINER_CONFIG.id => "needs something that is not there".into(),
        id if id == VOLUME_NOT_BOUND.id => "waits for a volume".into(),
        _ => "does not become ready".into(),
    }
}

fn hint(workload: &Workload, finding: &Finding, advice: Advice<'_>) -> String {
    let Workload { name, stack, .. } = workload;
    let Finding { namespace, pod, .. } = finding;
    let kubectl = advice.kubectl;
    match finding.entry.id {
        id if id == IMAGE_NOT_PULLED.id => image_hint(workload, finding, advice),
        id if id == CONTAINER_CRASHES.id || id == POD_NOT_READY.id => format!("./orchestrator logs {name}"),
        id if id == VOLUME_NOT_BOUND.id => format!("{kubectl} describe pvc -n {namespace}"),
        _ => match missing_secret(finding) {
            Some(secret) => format!(
                "add [stacks.{stack}.secrets.{secret}] to orchestrator.toml, then ./orchestrator deploy {stack}"
            ),
            None => format!("{kubectl} describe pod {pod} -n {namespace}"),
        },
    }
}

fn image_hint(workload: &Workload, finding: &Finding, advice: Advice<'_>) -> String {
    let Workload { stack, declared, .. } = workload;
    let image = finding.image.as_deref().unwrap_or_default();
    let references = advice.references;
    if references.values().any(|reference| reference == image) {
        if is_login_refused(finding) {
            return format!(
                "set ORCHESTRATOR_REGISTRY_USER and ORCHESTRATOR_REGISTRY_PASSWORD to a login for {}, then \
                 ./orchestrator deploy {stack}",
                host(image)
            );
        }
        return format!("{} describe pod {} -n {}", advice.kubectl, finding.pod, finding.namespace);
    }
    let similarity = |name: &str| strsim::jaro_winkler(name, image);
    let similar = references.keys().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match similar.filter(|name| similarity(name) > 0.85) {
        Some(name) => format!("did you mean `image: {name}` at {declared}?"),
        None => format!("correct the image at {declared}, then ./orchestrator deploy {stack}"),
    }
}

/// Whether the registry wants another login, or one at all, in its own words or containerd's.
fn is_login_refused(finding: &Finding) -> bool {
    let signs = ["unauthorized", "authorization failed", "no basic auth", "denied"];
    finding.because.iter().any(|words| signs.iter().any(|sign| words.contains(sign)))
}

/// Reads the name out of `secret "db" not found`, the kubelet's words.
fn missing_secret(finding: &Finding) -> Option<&str> {
    let words = finding.because.first()?;
    let (_, rest) = words.split_once("secret \"")?;
    rest.split_once("\" not found").map(|(name, _)| name.rsplit('/').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::diagnosis::diagnose;

    fn read(reason: &str, message: &str, image: &str) -> Failure {
        let workload = Workload {
            kind: "Deployment".into(),
            name: "web".into(),
            namespace: "shop".into(),
            stack: "store".into(),
            declared: "web.yaml:3".into(),
        };
        let status = json!({"name": "web", "state": {"waiting": {"reason": reason, "message": message}}});
        let pod = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u"},
            "spec": {"containers": [{"name": "web", "image": image}]}, "status": {"containerStatuses": [status]}});
        let references = BTreeMap::from([("storefront".into(), "registry/storefront:1".into())]);
        let advice = Advice { kubectl: "kubectl", references: &references };
        failure(&workload, &diagnose(&pod, &[]).expect("a finding"), "last words\n", advice)
    }

    #[test]
    fn a_failure_names_workload_pod_cause_and_next_command() {
        let failure = read("ErrImagePull", "not found", "registry/storefront:1");
        assert_eq!(
            failure.to_string(),
            "Deployment `web`: pod `web-1` cannot get its image `registry/storefront:1`: not found"
        );
        assert_eq!(failure.hint.as_deref(), Some("kubectl describe pod web-1 -n shop"));
        let words = "failed to authorize: 401 Unauthorized: unauthorized: authentication required";
        let login = read("ErrImagePull", words, "registry/storefront:1").hint.unwrap_or_default();
        assert!(login.ends_with("to a login for registry, then ./orchestrator deploy store"), "{login}");
        let hint = |image: &str| read("ErrImagePull", "not found", image).hint.unwrap_or_default();
        assert_eq!(hint("storefrnt"), "did you mean `image: storefront` at web.yaml:3?");
        assert_eq!(hint("x:1"), "correct the image at web.yaml:3, then ./orchestrator deploy store");
        let failure = read("CreateContainerConfigError", "secret \"db\" not found", "x:1");
        let hint = "add [stacks.store.secrets.db] to orchestrator.toml, then ./orchestrator deploy store";
        assert_eq!(failure.hint.as_deref(), Some(hint));
    }
}
