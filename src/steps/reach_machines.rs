use std::time::Duration;

use crate::{
    engine::{Patience, Run, Scope, Seen, Step},
    failure::{Failure, MACHINE_NOT_ANSWERING},
    model::{Done, Machine},
    providers::Provider,
};

pub const STEP: Step = Step { id: "reach-machines", title: "Reach machines" };
const WITHIN: Duration = Duration::from_secs(300);
const EVERY: Duration = Duration::from_millis(25);

/// Returns when every machine answers.
///
/// # Errors
/// The machines that do not, with what was last seen of them.
pub async fn reach_machines(run: &Run, provider: &dyn Provider, machines: &[Machine]) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let reached = scope.on_each(machines, async |machine, scope| reach(provider, machine, scope).await).await?;
        Ok(reached.map(drop))
    })
    .await
}

async fn reach(provider: &dyn Provider, machine: &Machine, scope: &Scope<'_>) -> Result<Done<()>, Failure> {
    let host = provider.host(machine);
    let patience = Patience {
        what: format!("machine `{}` to answer", machine.name),
        within: WITHIN,
        every: EVERY,
        failure: &MACHINE_NOT_ANSWERING,
    };
    scope
        .until(&patience, async || match host.facts().await {
            Ok(_) => Ok(Seen::Ready(Done::Unchanged(()))),
            Err(failure) if failure.id == MACHINE_NOT_ANSWERING.id => {
                Ok(Seen::NotYet(failure.because.first().cloned().unwrap_or(failure.what)))
            }
            Err(failure) => Err(failure),
        })
        .await
}
