use serde_json::Value;

use crate::{
    effects::kube::{Kube, KubeError, ObjectRef},
    engine::{Named, Run, Step},
    failure::{Failure, NODE_HOLDS_DATA},
    model::{Done, Machine},
    providers::Provider,
};

pub const STEP: Step = Step { id: "remove-nodes", title: "Remove nodes that are no longer wanted" };

/// Takes machines that the configuration no longer has out of the cluster and destroys them.
///
/// # Errors
/// That a node holds a volume; the cluster's and the provider's.
pub async fn remove_nodes(
    run: &Run,
    provider: &dyn Provider,
    kube: &dyn Kube,
    unwanted: &[Machine],
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        hold_nothing(kube, unwanted).await?;
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

/// Checks that no volume would be lost with these machines: K3s keeps each on the disk of one node.
async fn hold_nothing(kube: &dyn Kube, unwanted: &[Machine]) -> Result<(), Failure> {
    let volumes = kube.list("v1", "PersistentVolume", None, "").await;
    let volumes = volumes.map_err(|error| error.into_failure("cannot list the volumes"))?;
    let holders = unwanted.iter().filter_map(|machine| {
        let claim = &volumes.iter().find(|volume| is_on(volume, machine.name()))?["spec"]["claimRef"];
        let text = |key: &str| claim[key].as_str().unwrap_or_default();
        let claim = format!("{}/{}", text("namespace"), text("name"));
        let what = format!("node `{}` is no longer wanted and holds the data of volume claim {claim}", machine.name());
        Some(
            Failure::new(&NODE_HOLDS_DATA, what)
                .because("volumes live on the disk of one node: removing it would lose them")
                .hint("put the machine back into orchestrator.toml, or give its data up: ./orchestrator undeploy --volumes"),
        )
    });
    Failure::join(holders).map_or(Ok(()), Err)
}

fn is_on(volume: &Value, node: &str) -> bool {
    let terms = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"].as_array();
    let expressions = terms.into_iter().flatten().filter_map(|term| term["matchExpressions"].as_array()).flatten();
    let values = expressions.filter(|expression| expression["key"] == "kubernetes.io/hostname");
    values.filter_map(|expression| expression["values"].as_array()).flatten().any(|value| value == node)
}

async fn delete_node(kube: &dyn Kube, name: &str) -> Result<Done<()>, Failure> {
    let node = ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: String::new(), name: name.into() };
    match kube.delete(&node).await {
        Ok(()) => Ok(Done::Changed(())),
        Err(KubeError::NotFound(_)) => Ok(Done::Unchanged(())),
        Err(error) => Err(error.into_failure(format!("cannot remove node `{name}`"))),
    }
}
