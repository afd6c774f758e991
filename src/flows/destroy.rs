use super::Context;
use crate::{
    engine::Ending,
    failure::Failure,
    steps::{
        destroy_machines::{Silent, destroy_machines},
        list_machines::list_machines,
        unmerge_kubeconfig::unmerge_kubeconfig,
    },
};

/// Removes everything the cluster owns, but its state directory.
///
/// # Errors
/// The provider's; that something is left.
pub async fn destroy(context: &Context<'_>, silent: Silent) -> Result<Ending, Failure> {
    let provider = context.view.provider;
    let machines = list_machines(context.run, provider).await?;
    destroy_machines(context.run, provider, &machines, silent).await?;
    unmerge_kubeconfig(context.run, context.state, &context.view.cluster.name).await?;
    let notes = if machines.is_empty() { provider.caution().into_iter().collect() } else { Vec::new() };
    Ok(Ending { message: "cluster destroyed".into(), notes, ..Ending::default() })
}
