use crate::{
    engine::{Run, Step},
    failure::{Failure, LEFT_BEHIND},
    model::{Done, Machine},
    providers::Provider,
};

pub const STEP: Step = Step { id: "destroy-machines", title: "Destroy machines" };

/// Destroys every machine and what was around them, and proves that nothing is left.
///
/// # Errors
/// The provider's; that something is left.
pub async fn destroy_machines(run: &Run, provider: &dyn Provider, machines: &[Machine]) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let machines = scope.on_each(machines, async |machine, _| provider.destroy(machine).await).await?;
        let rest = provider.clean_up().await?;
        let left = provider.leftovers().await?;
        if left.is_empty() {
            return Ok(Done::when(machines.changed() || rest.changed(), ()));
        }
        let failure = Failure::new(&LEFT_BEHIND, format!("{} is still there", left.join(", ")));
        Err(failure.hint("./orchestrator destroy --yes"))
    })
    .await
}
