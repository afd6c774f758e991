use crate::{
    engine::{Run, Step},
    failure::Failure,
    model::{Done, Machine},
    providers::Provider,
};

pub const STEP: Step = Step { id: "list-machines", title: "List machines" };

/// Returns the machines that the cluster has, servers first, then by name.
///
/// # Errors
/// The provider's.
pub async fn list_machines(run: &Run, provider: &dyn Provider) -> Result<Vec<Machine>, Failure> {
    run.step(STEP, async |_| {
        let mut machines = provider.list().await?;
        machines.sort_by(Machine::in_order);
        Ok(Done::Unchanged(machines))
    })
    .await
}
