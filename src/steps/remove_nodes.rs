use crate::{
    effects::kube::{Kube, KubeError, ObjectRef},
    engine::{Named, Run, Step},
    failure::Failure,
    model::{Done, Machine},
    providers::Provider,
};

pub const STEP: Step = Step { id: "remove-nodes", title: "Remove nodes that are no longer wanted" };

/// Takes machines that the configuration no longer has out of the cluster and destroys them.
///
/// # Errors
/// The cluster's and the provider's.
pub async fn remove_nodes(
    run: &Run,
    provider: &dyn Provider,
    kube: &dyn Kube,
    unwanted: &[Machine],
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let removed = scope
            .on_each(unwanted, async |machine, _| {
                delete_node(kube, machine.name()).await?;
                provider.destroy(machine).await
            })
            .await?;
        Ok(removed.map(drop))
    })
    .await
}

async fn delete_node(kube: &dyn Kube, name: &str) -> Result<Done<()>, Failure> {
    let node = ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: String::new(), name: name.into() };
    match kube.delete(&node).await {
        Ok(()) => Ok(Done::Changed(())),
        Err(KubeError::NotFound(_)) => Ok(Done::Unchanged(())),
        Err(error) => Err(error.into_failure(format!("cannot remove node `{name}`"))),
    }
}
