use super::{begin_cluster, list_nodes::list_nodes};
use crate::{
    effects::kube::{Kube, KubeError, ObjectRef},
    engine::{Run, Step},
    failure::Failure,
    model::{Done, NodeStatus, Reached},
};

pub const STEP: Step = Step { id: "forget-rebuilt-nodes", title: "Forget nodes whose machines were rebuilt" };

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
                delete_node(kube, name).await?;
                changed = true;
            }
        }
        Ok(Done::when(changed, ()))
    })
    .await
}

/// Whether a machine has never been a node, or has forgotten it.
pub fn is_empty(reached: &Reached) -> bool {
    !reached.facts.k3s.server_data && !reached.facts.k3s.agent_data
}

/// Has no node of this name; K3s then forgets its password and its etcd member too.
///
/// # Errors
/// When the cluster refuses or does not answer.
pub async fn delete_node(kube: &dyn Kube, name: &str) -> Result<Done<()>, Failure> {
    let node = ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: String::new(), name: name.into() };
    match kube.delete(&node).await {
        Ok(()) => Ok(Done::Changed(())),
        Err(KubeError::NotFound(_)) => Ok(Done::Unchanged(())),
        Err(error) => Err(error.into_failure(format!("cannot remove node `{name}`"))),
    }
}
