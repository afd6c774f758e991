use std::time::Duration;

use super::{begin_cluster, list_nodes::list_nodes};
use crate::{
    effects::kube::{Kube, KubeError, ObjectRef},
    engine::{Patience, Run, Scope, Seen, Step},
    failure::{API_REQUEST_FAILED, Failure},
    model::{Done, NodeStatus, Reached},
};

pub const STEP: Step = Step { id: "forget-rebuilt-nodes", title: "Forget nodes whose machines were rebuilt" };

const WITHIN: Duration = Duration::from_secs(120);
const EVERY: Duration = Duration::from_millis(100);

/// Takes nodes out of the cluster whose machines came back empty under the same name: the cluster would refuse their new
/// password, and etcd would wait for the old member.
///
/// # Errors
/// When the cluster does not answer.
pub async fn forget_rebuilt_nodes(
    run: &Run,
    kube: &dyn Kube,
    machines: &[Reached],
    cluster: &begin_cluster::Cluster,
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let known = list_nodes(scope, kube).await?;
        let mut changed = false;
        for reached in machines.iter().filter(|reached| is_empty(reached) && reached.machine.name != cluster.lead) {
            let name = &reached.machine.name;
            // A node whose machine is gone is called ready for a while; one that lives elsewhere is not ours to forget.
            let gone = |node: &NodeStatus| !node.ready || node.address.as_ref() == Some(&reached.machine.address);
            if known.iter().any(|node| node.name == *name && gone(node)) {
                scope.say(format!("machine `{name}` was rebuilt: its old node is forgotten"));
                delete_node(scope, kube, name).await?;
                forget_pods(kube, name).await?;
                changed = true;
            }
        }
        Ok(Done::when(changed, ()))
    })
    .await
}

/// Has no pod of a node that is gone. Those that are left would count as running until the node of the same name comes, and
/// would then be started there; their controllers make others at once.
async fn forget_pods(kube: &dyn Kube, node: &str) -> Result<(), Failure> {
    let pods = kube.list("v1", "Pod", None, "").await.map_err(|error| error.into_failure("cannot list the pods"))?;
    for pod in pods.iter().filter(|pod| pod["spec"]["nodeName"] == node) {
        let named = ObjectRef::of(pod);
        match kube.forget_pod(&named.namespace, &named.name).await {
            Ok(()) | Err(KubeError::NotFound(_)) => {}
            Err(error) => return Err(error.into_failure(format!("cannot remove pod {}", named.name))),
        }
    }
    Ok(())
}

/// Whether a machine has never been a node, or has forgotten it.
pub fn is_empty(reached: &Reached) -> bool {
    !reached.facts.k3s.server_data && !reached.facts.k3s.agent_data
}

/// Has no node of this name. K3s forgets its password and its etcd member before the node is gone (it has a finalizer for
/// each): one that joined under its name before that would be taken for it, and go with it.
///
/// # Errors
/// When the cluster refuses or does not answer.
pub async fn delete_node(scope: &Scope<'_>, kube: &dyn Kube, name: &str) -> Result<Done<()>, Failure> {
    let node = ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: String::new(), name: name.into() };
    match kube.delete(&node).await {
        Ok(()) => {}
        Err(KubeError::NotFound(_)) => return Ok(Done::Unchanged(())),
        Err(error) => return Err(error.into_failure(format!("cannot remove node `{name}`"))),
    }
    let patience = Patience {
        what: format!("K3s to forget node `{name}`"),
        within: WITHIN,
        every: EVERY,
        failure: &API_REQUEST_FAILED,
    };
    let gone = scope.until(&patience, async || match kube.get(&node).await {
        Err(KubeError::NotFound(_)) => Ok(Seen::Ready(())),
        Ok(node) => Ok(Seen::NotYet(format!("it still has the finalizers {}", node["metadata"]["finalizers"]))),
        // The server that answers may be on its way out of etcd, too.
        Err(error) => Ok(Seen::NotYet(error.to_string())),
    });
    gone.await.map(Done::Changed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        effects::fake_kube::FakeKube,
        engine::testing::*,
        model::{Facts, Machine, MachineState, Role},
    };

    fn reached(name: &str, is_empty: bool) -> Reached {
        let machine =
            Machine { name: name.into(), role: Role::Server, state: MachineState::Running, address: "10.0.0.4".into() };
        let mut facts = Facts::default();
        facts.k3s.server_data = !is_empty;
        Reached { machine, facts }
    }

    #[tokio::test]
    async fn with_a_rebuilt_machines_node_go_its_pods_and_no_others() {
        let kube = FakeKube::default();
        for node in ["s1", "s2"] {
            kube.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}));
            let metadata = json!({"name": format!("on-{node}"), "namespace": "shop"});
            kube.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": node}}));
        }
        let events = Recorded::default();
        let (_canceller, run) = run(&events, None);
        let cluster = begin_cluster::Cluster { token: "K10ab::server:cd".into(), lead: "s2".into() };
        forget_rebuilt_nodes(&run, &kube, &[reached("s1", true), reached("s2", false)], &cluster).await.unwrap();
        assert_eq!(kube.names(), ["Node s2", "Pod shop/on-s2"]);
    }
}
