use serde_json::Value;

use super::{drain::drain, forget_rebuilt_nodes::delete_node, list_nodes::list_nodes};
use crate::{
    effects::kube::Kube,
    engine::{Named, Run, Scope, Step},
    failure::{Failure, NODE_HOLDS_DATA},
    model::{Done, Machine, MachineState, Role},
    plan::quorum::can_spare,
    providers::Provider,
};

pub const STEP: Step = Step { id: "remove-nodes", title: "Remove nodes that are no longer wanted" };

/// Takes machines that the configuration no longer has out of the cluster and destroys them: agents at the same time,
/// servers one by one, each drained first.
///
/// # Errors
/// That a node holds a volume or that etcd would lose its majority; the cluster's and the provider's.
pub async fn remove_nodes(
    run: &Run,
    provider: &dyn Provider,
    kube: &dyn Kube,
    unwanted: &[Machine],
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let known = list_nodes(scope, kube).await?;
        hold_nothing(kube, unwanted).await?;
        let (servers, agents): (Vec<_>, Vec<_>) =
            unwanted.iter().cloned().partition(|machine| machine.role == Role::Server);
        let remove = async |machine: &Machine, scope: &Scope<'_>| {
            if known.iter().any(|node| node.name == machine.name && node.ready) {
                drain(kube, &machine.name, scope).await?;
            }
            if machine.state == MachineState::Unreachable {
                scope.warn("it does not answer: it would join again if it came back, because its K3s stays on it");
                delete_node(scope, kube, machine.name()).await?;
                return provider.give_up(machine).await.map(Done::Changed);
            }
            if machine.role == Role::Server {
                // A server that lives when its member is removed would join again.
                provider.host(machine).stop_unit(machine.role.unit()).await?;
            }
            delete_node(scope, kube, machine.name()).await?;
            provider.destroy(machine).await
        };
        for server in &servers {
            can_spare(&server.name, &known)?;
        }
        let mut changed = scope.on_each(&agents, remove).await?.changed();
        for server in &servers {
            changed |= scope.on(&server.name, async |scope| remove(server, scope).await).await?.changed();
        }
        Ok(Done::when(changed, ()))
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
