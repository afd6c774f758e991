use std::time::Duration;

use super::{
    install_k3s::{Parts, Staged, State, start},
    unit,
};
use crate::{
    effects::host::Host,
    engine::{Patience, Run, Scope, Seen, Step},
    failure::{API_NOT_READY, Failure},
    model::{Done, Machine},
    plan::k3s::KUBECONFIG,
};

pub const STEP: Step = Step { id: "join-servers", title: "Start servers" };
const WITHIN: Duration = Duration::from_secs(180);
const EVERY: Duration = Duration::from_millis(100);

/// Returns when the first server is up and every other one that is new has joined it, one after the other: embedded
/// etcd takes one new member at a time.
///
/// # Errors
/// The server whose K3s did not start, with the cause.
pub async fn join_servers(run: &Run, parts: &Parts<'_>, staged: &[Staged]) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let lead = parts.lead();
        let mut changed = false;
        let known_up = |staged: &Staged| staged.reached.machine.name == lead.name && staged.reached.runs();
        if !staged.iter().any(known_up) {
            let up = scope.on(&lead.name, async |scope| up(parts, lead, scope).await.map(Done::Changed)).await?;
            changed |= up.changed();
        }
        for staged in staged.iter().filter(|staged| staged.state == State::Waits) {
            let machine = &staged.reached.machine;
            scope
                .on(&machine.name, async |scope| {
                    let host = parts.provider.host(machine);
                    start(host.as_ref(), machine, &staged.fingerprint).await?;
                    up(parts, machine, scope).await.map(Done::Changed)
                })
                .await?;
            changed = true;
        }
        Ok(Done::when(changed, ()))
    })
    .await
}

/// Returns when a server's unit is active and has written its kubeconfig.
async fn up(parts: &Parts<'_>, machine: &Machine, scope: &Scope<'_>) -> Result<(), Failure> {
    let host = parts.provider.host(machine);
    let server = unit::joins_through(machine, parts.lead());
    let patience = Patience {
        what: format!("K3s on server `{}`", machine.name),
        within: WITHIN,
        every: EVERY,
        failure: &API_NOT_READY,
    };
    let waited = scope
        .until(&patience, async || match unit::look(host.as_ref(), machine, server).await? {
            Seen::Ready(()) if host.read(KUBECONFIG).await?.is_some() => Ok(Seen::Ready(())),
            Seen::Ready(()) => Ok(Seen::NotYet(format!("{KUBECONFIG} is not there yet"))),
            not_yet @ Seen::NotYet(_) => Ok(not_yet),
        })
        .await;
    match waited {
        Err(failure) if failure.id == API_NOT_READY.id => Err(explained(host.as_ref(), machine, server, failure).await),
        waited => waited,
    }
}

/// Adds to a wait that ended why it did.
async fn explained(host: &dyn Host, machine: &Machine, server: Option<&str>, waited: Failure) -> Failure {
    match host.unit_state(machine.role.unit()).await {
        Ok(state) => unit::explain(host, machine, server, &state).await.because(waited.what),
        Err(_) => waited,
    }
}
