use super::{Context, node::nodes_from};
use crate::{
    engine::Ending,
    failure::{Failure, NO_CLUSTER},
    steps::{
        check_provider::check_provider, list_machines::list_machines, prepare_provider::prepare_provider,
        start_machines::start_machines,
    },
};

/// Gives power to every machine and waits until its node is ready.
///
/// # Errors
/// When there is no cluster, or a machine or node does not come.
pub async fn start(context: &Context<'_>) -> Result<Ending, Failure> {
    let (run, view) = (context.run, &context.view);
    check_provider(run, view.provider).await?;
    let machines = list_machines(run, view.provider).await?;
    if machines.is_empty() {
        let failure = Failure::new(&NO_CLUSTER, format!("there is no cluster `{}` to start", view.cluster.name));
        return Err(failure.hint(format!("{} create", context.program)));
    }
    prepare_provider(run, view.provider).await?;
    let machines = start_machines(run, view.provider, &machines).await?;
    nodes_from(context, &machines).await?;
    Ok(Ending {
        message: "cluster started".into(),
        notes: view.provider.caution().into_iter().collect(),
        ..Ending::default()
    })
}
