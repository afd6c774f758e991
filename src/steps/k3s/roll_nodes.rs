use std::time::Duration;

use super::{
    drain::{drain, set_schedulable},
    install_k3s::{Parts, Staged, State, start},
    list_nodes::list_nodes,
    unit,
};
use crate::{
    effects::kube::{Kube, nodes},
    engine::{Named, Patience, Run, Scope, Seen, Step},
    failure::{Failure, NODE_NOT_READY},
    model::{Done, NodeStatus, Role},
    plan::{
        quorum::can_spare,
        upgrade::{Upgrade, upgrade},
    },
};

pub const STEP: Step = Step { id: "roll-nodes", title: "Restart nodes with what changed" };
const WITHIN: Duration = Duration::from_secs(300);
const EVERY: Duration = Duration::from_millis(200);

/// Restarts the nodes that run with other settings or another release than they shall: servers one at a time, then
/// agents, `max_unavailable` at a time. Each is drained first where its pods have somewhere to go, and takes pods again
/// once it is ready. A roll that was cut off is continued by the next run.
///
/// # Errors
/// A change of version that K3s does not support, before anything is touched; a node that cannot be drained or does not
/// come back.
pub async fn roll_nodes(
    run: &Run,
    parts: &Parts<'_>,
    kube: &dyn Kube,
    staged: &[Staged],
    max_unavailable: usize,
) -> Result<(), Failure> {
    let outdated = |role| {
        let of_role = move |staged: &&Staged| staged.reached.machine.role == role;
        staged.iter().filter(|staged| staged.state == State::Outdated).filter(of_role).collect::<Vec<_>>()
    };
    let (servers, agents) = (outdated(Role::Server), outdated(Role::Agent));
    if servers.is_empty() && agents.is_empty() {
        return Ok(());
    }
    run.step(STEP, async |scope| {
        let known = list_nodes(scope, kube).await?;
        let kind = upgrade(&parts.cluster.k3s.version, &known)?;
        let members = staged.iter().filter(|staged| staged.reached.machine.role == Role::Server).count();
        if kind == Upgrade::Release && members > 1 {
            save_snapshot(parts, scope).await?;
        }
        for server in servers {
            scope.on(server.name(), async |scope| roll(parts, kube, server, &known, scope).await).await?;
        }
        for batch in agents.chunks(max_unavailable.max(1)) {
            scope.on_each(batch, async |agent, scope| roll(parts, kube, agent, &known, scope).await).await?;
        }
        Ok(Done::Changed(()))
    })
    .await
}

async fn save_snapshot(parts: &Parts<'_>, scope: &Scope<'_>) -> Result<(), Failure> {
    let version = parts.cluster.k3s.version.replace(['+', '.'], "-");
    scope.say("saving a snapshot of etcd first");
    parts.provider.host(parts.lead()).save_snapshot(&format!("before-{version}")).await
}

async fn roll(
    parts: &Parts<'_>,
    kube: &dyn Kube,
    staged: &Staged,
    known: &[NodeStatus],
    scope: &Scope<'_>,
) -> Result<Done<()>, Failure> {
    let machine = &staged.reached.machine;
    if machine.role == Role::Server {
        can_spare(&machine.name, known)?;
    }
    let elsewhere = known.iter().any(|node| node.name != machine.name && node.ready);
    if elsewhere {
        drain(kube, &machine.name, scope).await?;
    }
    let host = parts.provider.host(machine);
    let since = start(host.as_ref(), machine, &staged.fingerprint).await?;
    await_ready(parts, kube, staged, since, scope).await?;
    set_schedulable(kube, &machine.name, true).await?;
    Ok(Done::Changed(()))
}

/// Returns when the node says, later than `since`, that it is ready again with the wanted release.
async fn await_ready(
    parts: &Parts<'_>,
    kube: &dyn Kube,
    staged: &Staged,
    since: Option<i64>,
    scope: &Scope<'_>,
) -> Result<(), Failure> {
    let machine = &staged.reached.machine;
    let host = parts.provider.host(machine);
    let version = &parts.cluster.k3s.version;
    let patience = Patience {
        what: format!("node `{}` to be ready with {version}", machine.name),
        within: WITHIN,
        every: EVERY,
        failure: &NODE_NOT_READY,
    };
    let server = unit::joins_through(machine, parts.lead());
    scope
        .until(&patience, async || {
            if let Seen::NotYet(words) = unit::look(host.as_ref(), machine, server).await? {
                return Ok(Seen::NotYet(words));
            }
            // The API may be away for a moment: its own server restarts.
            let Ok(known) = nodes(kube).await else { return Ok(Seen::NotYet("the API does not answer".into())) };
            Ok(match known.into_iter().find(|node| node.name == machine.name) {
                Some(node) if node.is_silent_since(since) => {
                    Seen::NotYet("it has not reported since it started".into())
                }
                Some(node) if node.ready && node.version == *version => Seen::Ready(()),
                Some(node) if node.ready => Seen::NotYet(format!("it is ready with {}", node.version)),
                Some(node) => Seen::NotYet(node.reason.unwrap_or_default()),
                None => Seen::NotYet("there is no such node".into()),
            })
        })
        .await
        .map_err(|failure| failure.hint(format!("./orchestrator logs {}", machine.name)))
}
