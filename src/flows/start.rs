use std::collections::BTreeSet;

use super::{
    Context,
    node::{Nodes, nodes_from},
    some, status,
};
use crate::{
    effects::kube::Kube,
    engine::Ending,
    failure::Failure,
    plan::{diagnosis::Advice, manifests::Identity, stack::ParsedStack},
    steps::{
        check_provider::check_provider, deploy, list_machines::list_machines, prepare_provider::prepare_provider,
        start_machines::start_machines,
    },
};

/// Gives power to every machine and waits until its node and the workloads that it had are ready.
///
/// # Errors
/// When there is no cluster, or a machine, node or workload does not come.
pub async fn start(context: &Context<'_>) -> Result<Ending, Failure> {
    let (run, view) = (context.run, &context.view);
    check_provider(run, view.provider).await?;
    let machines = list_machines(run, view.provider).await?;
    some(&machines, &view.cluster.name)?;
    prepare_provider(run, view.provider).await?;
    let machines = start_machines(run, view.provider, &machines).await?;
    let Nodes { kube, .. } = nodes_from(context, &machines, 1).await?;
    let images = view.references().await;
    let deployed = deployed(kube.as_ref(), view.stacks).await?;
    deploy::await_stacks(run, kube.as_ref(), &deployed, Advice { kubectl: context.kubectl, references: &images })
        .await?;
    Ok(Ending {
        message: "cluster started".into(),
        notes: view.provider.caution().into_iter().collect(),
        ..Ending::default()
    })
}

/// Returns the stacks with what the cluster has of them: a start deploys nothing.
async fn deployed(kube: &dyn Kube, stacks: &[ParsedStack]) -> Result<Vec<ParsedStack>, Failure> {
    let live =
        status::objects_of(kube, stacks, false).await.map_err(|error| error.into_failure("cannot list the stacks"))?;
    let live: BTreeSet<_> = live.iter().map(Identity::of).collect();
    let mut stacks = stacks.to_vec();
    for stack in &mut stacks {
        stack.manifests.retain(|manifest| live.contains(&manifest.identity()));
    }
    Ok(stacks)
}
