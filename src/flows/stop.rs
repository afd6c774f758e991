use super::{Context, some};
use crate::{
    engine::Ending,
    failure::Failure,
    steps::{list_machines::list_machines, stop_machines::stop_machines},
};

/// Takes the power from every machine.
///
/// # Errors
/// When there is no cluster; the provider's.
pub async fn stop(context: &Context<'_>) -> Result<Ending, Failure> {
    let provider = context.view.provider;
    let machines = list_machines(context.run, provider).await?;
    some(&machines, &context.view.cluster.name)?;
    provider.may_stop().await?; // before K3s is stopped anywhere
    stop_machines(context.run, provider, &machines).await?;
    Ok(Ending { message: "cluster stopped".into(), next: vec!["./orchestrator start".into()], ..Ending::default() })
}
