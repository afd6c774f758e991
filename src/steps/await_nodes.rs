use std::time::Duration;

use crate::{
    effects::kube::{Kube, nodes},
    engine::{Patience, Run, Scope, Seen, Step},
    failure::{API_NOT_READY, Failure, NODE_NOT_READY},
    model::{Done, Machine},
};

pub const STEP: Step = Step { id: "await-nodes", title: "Wait for nodes" };
const WITHIN: Duration = Duration::from_secs(180);
/// How many nodes are named while they are waited for.
const SHOWN: usize = 5;
const EVERY: Duration = Duration::from_millis(25);

/// Returns when the API is ready and so is every machine's node, by name.
///
/// # Errors
/// The nodes that are missing or not ready, with what was last seen.
pub async fn await_nodes(run: &Run, kube: &dyn Kube, machines: &[Machine]) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        await_api(scope, kube).await?;
        let patience = Patience {
            what: format!("{} nodes to be ready", machines.len()),
            within: WITHIN,
            every: EVERY,
            failure: &NODE_NOT_READY,
        };
        let mut waited = false;
        let ready = scope.until(&patience, async || {
            let missing = unready(kube, machines).await?;
            scope.progress((machines.len() - missing.len()) as u64, machines.len() as u64);
            if missing.is_empty() {
                return Ok(Seen::Ready(()));
            }
            waited = true;
            Ok(Seen::NotYet(shown(&missing)))
        });
        ready.await.map_err(|failure| failure.hint("./orchestrator status"))?;
        Ok(Done::when(waited, ()))
    })
    .await
}

/// Returns the first of these texts, and how many more there are.
fn shown(missing: &[String]) -> String {
    let first = missing[..missing.len().min(SHOWN)].join("; ");
    let more = missing.len().saturating_sub(SHOWN);
    if more == 0 { first } else { format!("{first}; and {more} more") }
}

async fn await_api(scope: &Scope<'_>, kube: &dyn Kube) -> Result<(), Failure> {
    let patience = Patience {
        what: "the Kubernetes API to be ready".into(),
        within: WITHIN,
        every: EVERY,
        failure: &API_NOT_READY,
    };
    scope
        .until(&patience, async || match kube.ready().await {
            Ok(()) => Ok(Seen::Ready(())),
            Err(error) => Ok(Seen::NotYet(error.to_string())),
        })
        .await
}

async fn unready(kube: &dyn Kube, machines: &[Machine]) -> Result<Vec<String>, Failure> {
    let nodes = nodes(kube).await.map_err(|error| error.into_failure("cannot list the nodes"))?;
    let state = |machine: &Machine| match nodes.iter().find(|node| node.name == machine.name) {
        Some(node) if node.ready => None,
        Some(node) => Some(format!("{} is not ready ({})", machine.name, node.reason.clone().unwrap_or_default())),
        None => Some(format!("{} has not joined", machine.name)),
    };
    Ok(machines.iter().filter_map(state).collect())
}
