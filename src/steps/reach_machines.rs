use std::time::Duration;

use crate::{
    engine::{Patience, Run, Scope, Seen, Step},
    failure::{Failure, MACHINE_NOT_ANSWERING},
    model::{Done, Machine, Reached, node_address::node_address},
    providers::Provider,
};

pub const STEP: Step = Step { id: "reach-machines", title: "Reach machines" };
const EVERY: Duration = Duration::from_millis(25);

/// Returns when every machine answers and has booted, with what each says of itself.
///
/// # Errors
/// The machines that do not, with what was last seen of them.
pub async fn reach_machines(run: &Run, provider: &dyn Provider, machines: &[Machine]) -> Result<Vec<Reached>, Failure> {
    run.step(STEP, async |scope| {
        scope.on_each(machines, async |machine, scope| reach(provider, machine, scope).await).await
    })
    .await
}

async fn reach(provider: &dyn Provider, machine: &Machine, scope: &Scope<'_>) -> Result<Done<Reached>, Failure> {
    let host = provider.host(machine);
    let patience = Patience {
        what: format!("machine `{}` to answer", machine.name),
        within: provider.boots_within(),
        every: EVERY,
        failure: &MACHINE_NOT_ANSWERING,
    };
    scope
        .until(&patience, async || match host.facts().await {
            Ok(facts) if facts.booting => Ok(Seen::NotYet("cloud-init has not finished".into())),
            Ok(facts) => {
                let address = node_address(&machine.address, &facts).unwrap_or_else(|| machine.address.clone());
                let machine = Machine { address, ..machine.clone() };
                Ok(Seen::Ready(Done::Unchanged(Reached { machine, facts })))
            }
            Err(failure) if failure.may_pass() => {
                Ok(Seen::NotYet(failure.because.first().cloned().unwrap_or(failure.what)))
            }
            Err(failure) => Err(failure),
        })
        .await
}
