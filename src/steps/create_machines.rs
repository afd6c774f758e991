use crate::{
    engine::{Run, Step},
    failure::Failure,
    model::{Machine, MachineSpec},
    providers::Provider,
};

pub const STEP: Step = Step { id: "create-machines", title: "Create machines" };

/// Has every wanted machine, with power, all at the same time. Returns them in the order of `specs`.
///
/// # Errors
/// The provider's, for every machine that could not be had.
pub async fn create_machines(
    run: &Run,
    provider: &dyn Provider,
    specs: &[MachineSpec],
) -> Result<Vec<Machine>, Failure> {
    run.step(STEP, async |scope| {
        scope.on_each(specs, async |spec, scope| provider.create(spec, &|seen| scope.waiting(seen)).await).await
    })
    .await
}
