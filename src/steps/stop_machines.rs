use crate::{
    engine::{Run, Scope, Step},
    failure::Failure,
    model::{Done, Machine, MachineState, Role},
    providers::Provider,
};

pub const STEP: Step = Step { id: "stop-machines", title: "Stop machines" };

/// Stops K3s, on agents first, because an agent whose server is gone stops slowly; then takes the power from every
/// machine at the same time.
///
/// # Errors
/// The provider's.
pub async fn stop_machines(run: &Run, provider: &dyn Provider, machines: &[Machine]) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let (servers, agents): (Vec<_>, Vec<_>) =
            machines.iter().cloned().partition(|machine| machine.role == Role::Server);
        let stop_k3s = async |machine: &Machine, scope: &Scope<'_>| Ok(stop_k3s(provider, machine, scope).await);
        let agents = scope.on_each(&agents, stop_k3s).await?;
        let servers = scope.on_each(&servers, stop_k3s).await?;
        let power = scope.on_each(machines, async |machine, _| provider.stop(machine).await).await?;
        let rest = provider.rest().await?;
        Ok(Done::when([agents.changed(), servers.changed(), power.changed(), rest.changed()].contains(&true), ()))
    })
    .await
}

/// A machine whose K3s cannot be stopped loses its power all the same.
async fn stop_k3s(provider: &dyn Provider, machine: &Machine, scope: &Scope<'_>) -> Done<()> {
    if machine.state != MachineState::Running {
        return Done::Unchanged(());
    }
    match provider.host(machine).stop_unit(machine.role.unit()).await {
        Ok(stopped) => stopped,
        Err(failure) => {
            scope.warn(format!("K3s was not stopped before the power: {failure}"));
            Done::Unchanged(())
        }
    }
}
