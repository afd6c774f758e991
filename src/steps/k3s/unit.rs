//! A K3s unit that is on its way up.

use std::time::Duration;

use super::install_k3s::Parts;
use crate::{
    effects::host::Host,
    engine::{Patience, Scope, Seen},
    failure::{API_NOT_READY, Failure},
    model::{Machine, UnitState},
    plan::{
        diagnosis::k3s::{cause, hopeless},
        k3s::KUBECONFIG,
    },
};

/// A unit that failed this often is not going to start.
const HOPELESS_RESTARTS: u32 = 2;
const WITHIN: Duration = Duration::from_secs(180);
const EVERY: Duration = Duration::from_millis(100);

/// Returns the address of the server that a machine joins through; `None` for the `lead` itself, which joins nobody.
pub fn joins_through<'l>(machine: &Machine, lead: &'l Machine) -> Option<&'l str> {
    (machine.name != lead.name).then_some(lead.address.as_str())
}

/// Returns whether the unit is up. `server` is the address of the server that it joins.
///
/// # Errors
/// When it will not come up, with the cause.
pub async fn look(host: &dyn Host, machine: &Machine, server: Option<&str>) -> Result<Seen<()>, Failure> {
    let unit = machine.role.unit();
    let state = host.unit_state(unit).await?;
    if let Some(failure) = hopeless(machine, &state.journal) {
        return Err(failure.output(&state.journal));
    }
    if state.active == "failed" || state.restarts >= HOPELESS_RESTARTS {
        return Err(explain(host, machine, server, &state).await);
    }
    Ok(match state.active.as_str() {
        "active" => Seen::Ready(()),
        active => Seen::NotYet(format!("unit {unit} is {active}{}", last_words(&state))),
    })
}

/// Returns why the unit is not up, found out from its journal and from what the machine sees. `server` is the address of
/// the server that it joins.
pub async fn explain(host: &dyn Host, machine: &Machine, server: Option<&str>, state: &UnitState) -> Failure {
    let probe = host.probe(server).await.ok();
    cause(machine, &state.journal, probe.as_ref()).output(&state.journal)
}

/// Returns the message of the last line that the unit wrote.
fn last_words(state: &UnitState) -> String {
    let Some(line) = state.journal.lines().last() else { return String::new() };
    let message = line.split_once("msg=\"").map_or(line, |(_, message)| message.trim_end_matches('"'));
    format!(": {message}")
}

/// Returns when a server's unit is active and has written its kubeconfig.
///
/// # Errors
/// When it will not come up or does not in time, with the cause.
pub async fn up(parts: &Parts<'_>, machine: &Machine, scope: &Scope<'_>) -> Result<(), Failure> {
    let host = parts.provider.host(machine);
    let server = joins_through(machine, parts.lead());
    let patience = Patience {
        what: format!("K3s on server `{}`", machine.name),
        within: WITHIN,
        every: EVERY,
        failure: &API_NOT_READY,
    };
    let waited = scope
        .until(&patience, async || match look(host.as_ref(), machine, server).await? {
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
        Ok(state) => explain(host, machine, server, &state).await.because(waited.what),
        Err(_) => waited,
    }
}
