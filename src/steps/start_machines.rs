use crate::{
    engine::{Run, Scope, Step},
    failure::Failure,
    model::{Done, Machine, Role},
    providers::Provider,
};

pub const STEP: Step = Step { id: "start-machines", title: "Start machines" };

/// Gives power to every machine, servers first. Returns them as they are then: addresses may have changed.
///
/// # Errors
/// The provider's.
pub async fn start_machines(run: &Run, provider: &dyn Provider, machines: &[Machine]) -> Result<Vec<Machine>, Failure> {
    run.step(STEP, async |scope| {
        let (servers, agents): (Vec<_>, Vec<_>) =
            machines.iter().cloned().partition(|machine| machine.role == Role::Server);
        let start =
            async |machine: &Machine, scope: &Scope<'_>| provider.start(machine, &|seen| scope.waiting(seen)).await;
        let servers = scope.on_each(&servers, start).await?;
        let agents = scope.on_each(&agents, start).await?;
        let changed = servers.changed() || agents.changed();
        let started = servers.into_inner().into_iter().chain(agents.into_inner());
        Ok(Done::when(changed, started.collect()))
    })
    .await
}
