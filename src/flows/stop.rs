use super::Context;
use crate::{
    engine::Ending,
    failure::Failure,
    steps::{list_machines::list_machines, stop_machines::stop_machines},
};

/// Takes the power from every machine.
///
/// # Errors
/// The provider's.
pub async fn stop(context: &Context<'_>) -> Result<Ending, Failure> {
    let provider = context.view.provider;
    let machines = list_machines(context.run, provider).await?;
    stop_machines(context.run, provider, &machines).await?;
    Ok(Ending {
        message: "cluster stopped".into(),
        next: vec![format!("{} start", context.program)],
        ..Ending::default()
    })
}
