use crate::{
    engine::{Run, Scope, Step},
    failure::Failure,
    model::Machine,
    providers::Provider,
};

pub const STEP: Step = Step { id: "start-machines", title: "Start machines" };

/// Gives power to every machine, all at the same time: an agent that is up first waits for its server by itself. Returns
/// them as they are then: addresses may have changed.
///
/// # Errors
/// The provider's.
pub async fn start_machines(run: &Run, provider: &dyn Provider, machines: &[Machine]) -> Result<Vec<Machine>, Failure> {
    run.step(STEP, async |scope| {
        let start =
            async |machine: &Machine, scope: &Scope<'_>| provider.start(machine, &|seen| scope.waiting(seen)).await;
        scope.on_each(machines, start).await
    })
    .await
}
