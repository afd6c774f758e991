use crate::{
    engine::{Run, Scope, Step},
    failure::{Failure, LEFT_BEHIND},
    model::{Done, Machine, MachineState},
    providers::Provider,
};

pub const STEP: Step = Step { id: "destroy-machines", title: "Destroy machines" };

/// What becomes of a machine that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// It cannot be destroyed, which is a failure.
    Fails,
    /// It is forgotten.
    GiveUp,
}

/// Destroys every machine and what was around them, and proves that nothing is left.
///
/// # Errors
/// The provider's; that something is left.
pub async fn destroy_machines(
    run: &Run,
    provider: &dyn Provider,
    machines: &[Machine],
    silent: Silent,
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let destroy = async |machine: &Machine, scope: &Scope<'_>| match (machine.state, silent) {
            (MachineState::Unreachable, Silent::GiveUp) => {
                scope.warn("it does not answer: what is on it stays there");
                provider.give_up(machine).await.map(Done::Changed)
            }
            _ => provider.destroy(machine).await.map_err(|failure| match failure.may_pass() {
                true => failure.because("`destroy --force` gives up machines that do not answer"),
                false => failure,
            }),
        };
        let machines = scope.on_each(machines, destroy).await?;
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
