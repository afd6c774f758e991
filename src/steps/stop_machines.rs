use crate::{
    engine::{Run, Scope, Step},
    failure::Failure,
    model::{Done, Machine, MachineState, Role},
    providers::Provider,
};

pub const STEP: Step = Step { id: "stop-machines", title: "Stop machines" };

/// Stops K3s and takes the power from every machine, agents first: an agent whose server is gone stops slowly.
///
/// # Errors
/// The provider's.
pub async fn stop_machines(run: &Run, provider: &dyn Provider, machines: &[Machine]) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let (servers, agents): (Vec<_>, Vec<_>) =
            machines.iter().cloned().partition(|machine| machine.role == Role::Server);
        let stop = async |machine: &Machine, scope: &Scope<'_>| stop_machine(provider, machine, scope).await;
        let agents = scope.on_each(&agents, stop).await?;
        let servers = scope.on_each(&servers, stop).await?;
        let rest = provider.rest().await?;
        Ok(Done::when(servers.changed() || agents.changed() || rest.changed(), ()))
    })
    .await
}

async fn stop_machine(provider: &dyn Provider, machine: &Machine, scope: &Scope<'_>) -> Result<Done<()>, Failure> {
    let mut changed = false;
    if machine.state == MachineState::Running {
        match provider.host(machine).stop_unit(machine.role.unit()).await {
            Ok(stopped) => changed = stopped.changed(),
            Err(failure) => scope.warn(format!("K3s was not stopped before the power: {failure}")),
        }
    }
    Ok(Done::when(provider.stop(machine).await?.changed() || changed, ()))
}
