use std::time::Duration;

use super::install_k3s::{Parts, Staged, State, start};
use crate::{
    effects::kube::{Kube, ObjectRef},
    engine::{Patience, Run, Scope, Seen, Step},
    failure::{API_NOT_READY, Failure},
    model::{Done, Role},
};

pub const STEP: Step = Step { id: "join-agents", title: "Start agents" };
/// An agent that asks a server for its certificates too early asks again after so long, and no sooner (measured of K3s
/// v1.21.2, which answers "runtime core not ready" for some 2 s after its API is ready).
const ASKS_AGAIN: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_millis(50);

/// Starts all agents that wait for the first server, at the same time and as soon as it has certificates for them.
///
/// # Errors
/// The machines that do not answer.
pub async fn join_agents(
    run: &Run,
    parts: &Parts<'_>,
    kube: &dyn Kube,
    staged: Vec<Staged>,
) -> Result<Vec<Staged>, Failure> {
    let (waiting, mut others): (Vec<_>, Vec<_>) = staged.into_iter().partition(|staged| staged.waits_as(Role::Agent));
    if waiting.is_empty() {
        return Ok(others);
    }
    let started = run.step(STEP, async |scope| {
        await_certificates(scope, kube).await?;
        let start = async |staged: &Staged, _: &Scope<'_>| {
            let machine = &staged.reached.machine;
            let host = parts.provider.host(machine);
            let since = start(host.as_ref(), machine, &staged.fingerprint).await?;
            Ok(Done::Changed(Staged { since, state: State::Started, ..staged.clone() }))
        };
        scope.on_each(&waiting, start).await
    });
    others.extend(started.await?);
    Ok(others)
}

/// Waits for what a server writes as soon as it can give certificates to nodes. One that does not write it is waited for
/// no longer than an agent would.
async fn await_certificates(scope: &Scope<'_>, kube: &dyn Kube) -> Result<(), Failure> {
    let written = ObjectRef {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: "kube-system".into(),
        name: "cluster-dns".into(),
    };
    let patience = Patience {
        what: "the first server to have certificates for agents".into(),
        within: ASKS_AGAIN,
        every: EVERY,
        failure: &API_NOT_READY,
    };
    let seen = scope.until(&patience, async || {
        Ok(match kube.get(&written).await {
            Ok(_) => Seen::Ready(()),
            Err(error) => Seen::NotYet(error.to_string()),
        })
    });
    match seen.await {
        Err(failure) if failure.id == API_NOT_READY.id => Ok(()),
        seen => seen,
    }
}
