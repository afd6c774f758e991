use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::{install_k3s::Staged, unit};
use crate::{
    effects::kube::{Kube, KubeError, nodes},
    engine::{Patience, Run, Seen, Step},
    failure::{Failure, NODE_NEVER_JOINED, NODE_NOT_READY},
    model::{Done, Machine, NodeStatus},
    providers::Provider,
};

pub const STEP: Step = Step { id: "await-nodes", title: "Wait for nodes" };
const WITHIN: Duration = Duration::from_secs(180);
/// How many nodes are named while they are waited for.
const SHOWN: usize = 5;
const EVERY: Duration = Duration::from_millis(50);
/// How often the units of machines whose nodes are missing are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How many machines are looked at at the same time.
const PARALLEL: usize = 16;

/// Returns when every machine's node is ready, by name.
///
/// # Errors
/// The machines whose nodes do not come, each with the cause.
pub async fn await_nodes(
    run: &Run,
    provider: &dyn Provider,
    kube: &dyn Kube,
    staged: &[Staged],
    lead: &Machine,
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let patience = Patience {
            what: format!("{} nodes to be ready", staged.len()),
            within: WITHIN,
            every: EVERY,
            failure: &NODE_NOT_READY,
        };
        let missing: RefCell<Vec<(Machine, String)>> = RefCell::default();
        let mut looked = Instant::now();
        let has_waited = Cell::new(false);
        let waited = scope.until(&patience, async || {
            match unready(kube, staged).await {
                Ok(unready) => _ = missing.replace(unready),
                // Its own server may restart, or etcd choose another leader.
                Err(error) if error.may_pass() => return Ok(Seen::NotYet(error.to_string())),
                Err(error) => return Err(error.into_failure("cannot list the nodes")),
            }
            let missing = missing.borrow().clone();
            scope.progress((staged.len() - missing.len()) as u64, staged.len() as u64);
            if missing.is_empty() {
                return Ok(Seen::Ready(()));
            }
            has_waited.set(true);
            if looked.elapsed() >= LOOK {
                hopeless(provider, &missing, lead).await?;
                looked = Instant::now();
            }
            Ok(Seen::NotYet(shown(&missing)))
        });
        match waited.await {
            Err(failure) if failure.id == NODE_NOT_READY.id => {
                Err(explained(provider, &missing.into_inner(), lead, failure).await)
            }
            waited => waited.map(|()| Done::when(has_waited.get(), ())),
        }
    })
    .await
}

/// Returns the first of these, and how many more there are.
fn shown(missing: &[(Machine, String)]) -> String {
    let words: Vec<_> = missing.iter().map(|(_, words)| words.as_str()).collect();
    let more = words.len().saturating_sub(SHOWN);
    let first = words[..words.len() - more].join("; ");
    if more == 0 { first } else { format!("{first}; and {more} more") }
}

async fn unready(kube: &dyn Kube, staged: &[Staged]) -> Result<Vec<(Machine, String)>, KubeError> {
    let nodes = nodes(kube).await?;
    let state = |staged: &Staged| Some((staged.reached.machine.clone(), words(staged, &nodes)?));
    Ok(staged.iter().filter_map(state).collect())
}

/// Returns what is missing of a machine's node, if anything is.
fn words(staged: &Staged, nodes: &[NodeStatus]) -> Option<String> {
    let machine = &staged.reached.machine;
    match nodes.iter().find(|node| node.name == machine.name) {
        Some(node) if node.ready && node.is_silent_since(staged.since) => {
            Some(format!("{} has not reported since it started", machine.name))
        }
        Some(node) if node.ready => None,
        Some(node) => Some(format!("{} is not ready ({})", machine.name, node.reason.clone().unwrap_or_default())),
        None => Some(format!("{} has not joined", machine.name)),
    }
}

/// Ends the wait when a unit will not come up.
async fn hopeless(provider: &dyn Provider, missing: &[(Machine, String)], lead: &Machine) -> Result<(), Failure> {
    let look = async |(machine, _): &(Machine, String)| {
        let host = provider.host(machine);
        // A machine that does not answer for a moment is no reason to give up.
        unit::look(host.as_ref(), machine, unit::joins_through(machine, lead)).await.err().filter(Failure::is_of_k3s)
    };
    let looks: Vec<_> = missing.iter().map(look).collect();
    let failures: Vec<_> = stream::iter(looks).buffered(PARALLEL).collect().await;
    Failure::join(failures.into_iter().flatten()).map_or(Ok(()), Err)
}

/// Returns why the nodes are not ready, found out on their machines.
async fn explained(provider: &dyn Provider, missing: &[(Machine, String)], lead: &Machine, waited: Failure) -> Failure {
    let explain = async |(machine, words): &(Machine, String)| {
        let host = provider.host(machine);
        let server = unit::joins_through(machine, lead);
        match host.unit_state(machine.role.unit()).await {
            Ok(state) => {
                let mut failure = unit::explain(host.as_ref(), machine, server, &state).await;
                if failure.id == NODE_NEVER_JOINED.id && words.contains("is not ready") {
                    let name = &machine.name;
                    failure = Failure::new(&NODE_NOT_READY, format!("node `{name}` does not become ready"))
                        .output(&state.journal)
                        .hint(format!("./orchestrator logs {name}"));
                }
                failure.because(words).because(&waited.what)
            }
            Err(failure) => failure.because(words),
        }
    };
    let explanations: Vec<_> = missing.iter().map(explain).collect();
    let failures: Vec<_> = stream::iter(explanations).buffered(PARALLEL).collect().await;
    Failure::join(failures).unwrap_or(waited)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Facts, MachineState, Reached, Role},
        steps::k3s::install_k3s::State,
    };

    /// What is missing of a node that reported at this time and is ready, when its machine was booted at 900.
    fn missing(reported: i64) -> Option<String> {
        let machine =
            Machine { name: "a".into(), role: Role::Agent, state: MachineState::Running, address: String::new() };
        let reached = Reached { machine, facts: Facts::default() };
        let staged = Staged { reached, fingerprint: String::new(), state: State::Started, since: Some(900) };
        let node = NodeStatus {
            name: "a".into(),
            ready: true,
            version: String::new(),
            reason: None,
            address: None,
            reported: Some(reported),
            server: false,
        };
        words(&staged, &[node])
    }

    #[test]
    fn what_a_node_said_before_its_machine_was_booted_does_not_count() {
        assert_eq!(missing(899).as_deref(), Some("a has not reported since it started"));
        assert_eq!(missing(900), None);
    }
}
