//! From a finding to the failure that the user reads.

use super::Finding;
use crate::failure::{
    CONTAINER_CONFIG, CONTAINER_CRASHES, Failure, IMAGE_NOT_PULLED, POD_NOT_READY, POD_UNSCHEDULABLE, VOLUME_NOT_BOUND,
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

/// Makes the failure of a workload whose pod has this finding. `log` are the container's last lines, `builds` the
/// build name of an image that this configuration builds itself, `kubectl` the command that reaches the cluster.
pub fn failure(workload: &Workload, finding: &Finding, log: &str, build: Option<&str>, kubectl: &str) -> Failure {
    let what = format!("{} `{}`: pod `{}` {}", workload.kind, workload.name, finding.pod, trouble(finding));
    let failure =
        finding.because.iter().fold(Failure::new(finding.entry, what), |failure, cause| failure.because(cause));
    failure.output(log).hint(hint(workload, finding, build, kubectl))
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

fn hint(workload: &Workload, finding: &Finding, build: Option<&str>, kubectl: &str) -> String {
    let Workload { name, stack, declared, .. } = workload;
    let Finding { namespace, pod, .. } = finding;
    match finding.entry.id {
        id if id == IMAGE_NOT_PULLED.id => match build {
            Some(build) => format!("./orchestrator build {build}"),
            None => format!("correct the image at {declared}, then ./orchestrator deploy {stack}"),
        },
        id if id == CONTAINER_CRASHES.id || id == POD_NOT_READY.id => format!("./orchestrator logs {name}"),
        id if id == CONTAINER_CONFIG.id => match missing_secret(finding) {
            Some(secret) => format!(
                "add [stacks.{stack}.secrets.{secret}] to orchestrator.toml, then ./orchestrator deploy {stack}"
            ),
            None => format!("{kubectl} describe pod {pod} -n {namespace}"),
        },
        id if id == VOLUME_NOT_BOUND.id => format!("{kubectl} describe pvc -n {namespace}"),
        _ => format!("{kubectl} describe pod {pod} -n {namespace}"),
    }
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

    fn read(status: serde_json::Value, build: Option<&str>) -> Failure {
        let workload = Workload {
            kind: "Deployment".into(),
            name: "web".into(),
            namespace: "shop".into(),
            stack: "store".into(),
            declared: "web.yaml:3".into(),
        };
        let pod = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u"},
            "spec": {"containers": [{"name": "web", "image": "x:1"}]}, "status": status});
        failure(&workload, &diagnose(&pod, &[]).expect("a finding"), "last words\n", build, "kubectl")
    }

    #[test]
    fn a_failure_names_workload_pod_cause_and_next_command() {
        let waiting = |reason: &str, message: &str| json!({"containerStatuses": [{"name": "web", "state": {"waiting": {"reason": reason, "message": message}}}]});
        let failure = read(waiting("ErrImagePull", "not found"), Some("web"));
        assert_eq!(failure.to_string(), "Deployment `web`: pod `web-1` cannot get its image `x:1`: not found");
        assert_eq!(failure.hint.as_deref(), Some("./orchestrator build web"));
        let failure = read(waiting("ErrImagePull", "not found"), None);
        assert_eq!(failure.hint.as_deref(), Some("correct the image at web.yaml:3, then ./orchestrator deploy store"));
        let failure = read(waiting("CreateContainerConfigError", "secret \"db\" not found"), None);
        let hint = "add [stacks.store.secrets.db] to orchestrator.toml, then ./orchestrator deploy store";
        assert_eq!(failure.hint.as_deref(), Some(hint));
    }
}
