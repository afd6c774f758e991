//! Moving the pods of a node elsewhere, and letting it have pods again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    effects::kube::{Kube, KubeError, ObjectRef},
    engine::{Patience, Scope, Seen},
    failure::{DRAIN_STUCK, Failure},
};

const WITHIN: Duration = Duration::from_secs(300);
const EVERY: Duration = Duration::from_millis(500);

fn node(name: &str) -> ObjectRef {
    ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: String::new(), name: name.into() }
}

/// Sets whether new pods may come to a node.
///
/// # Errors
/// When the cluster refuses or does not answer.
pub async fn set_schedulable(kube: &dyn Kube, name: &str, schedulable: bool) -> Result<(), Failure> {
    let unschedulable = if schedulable { Value::Null } else { json!(true) };
    match kube.merge(&node(name), &json!({"spec": {"unschedulable": unschedulable}})).await {
        Ok(_) | Err(KubeError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into_failure(format!("cannot change node `{name}`"))),
    }
}

/// Lets no new pods come to a node and returns when those that can live elsewhere are gone, as `kubectl drain` does.
///
/// # Errors
/// The pods that stay, and why.
pub async fn drain(kube: &dyn Kube, name: &str, scope: &Scope<'_>) -> Result<(), Failure> {
    set_schedulable(kube, name, false).await?;
    let patience = Patience {
        what: format!("the pods of node `{name}` to move"),
        within: WITHIN,
        every: EVERY,
        failure: &DRAIN_STUCK,
    };
    let drained = scope.until(&patience, async || {
        let pods =
            kube.list("v1", "Pod", None, "").await.map_err(|error| error.into_failure("cannot list the pods"))?;
        let mut stay = Vec::new();
        for pod in pods.iter().filter(|pod| pod["spec"]["nodeName"] == name && moves(pod)) {
            let named = ObjectRef::of(pod);
            let shown = format!("{}/{}", named.namespace, named.name);
            match kube.evict(&named.namespace, &named.name).await {
                Ok(()) => stay.push(format!("{shown} is ending")),
                Err(KubeError::NotFound(_)) => {}
                Err(error) => stay.push(format!("{shown}: {error}")),
            }
        }
        Ok(if stay.is_empty() { Seen::Ready(()) } else { Seen::NotYet(stay.join("; ")) })
    });
    let hint = format!("kubectl drain {name} --ignore-daemonsets --delete-emptydir-data shows what holds it");
    drained.await.map_err(|failure| failure.hint(hint))
}

/// Whether a pod would come up elsewhere: not a DaemonSet's, not a static one, not one that has ended.
fn moves(pod: &Value) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array();
    let stays = owners.into_iter().flatten().any(|owner| owner["kind"] == "DaemonSet" || owner["kind"] == "Node");
    let ended = pod["status"]["phase"] == "Succeeded" || pod["status"]["phase"] == "Failed";
    !stays && !ended && pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_daemon_sets_static_pods_and_ended_pods_stay() {
        let pod = |owner: &str, phase: &str| json!({"metadata": {"ownerReferences": [{"kind": owner}]}, "status": {"phase": phase}});
        assert!(moves(&pod("ReplicaSet", "Running")));
        assert!(!moves(&pod("DaemonSet", "Running")));
        assert!(!moves(&pod("Node", "Running")));
        assert!(!moves(&pod("Job", "Succeeded")));
    }
}
