use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{
    engine::{Patience, Run, Scope, Seen, Step},
    failure::{API_NOT_READY, Failure, NODE_NEVER_JOINED, UNIT_FAILED},
    model::{Content, Done, Machine, RemoteFile, Role},
    plan::{
        cluster::Cluster,
        k3s::{CONFIG, FULL_TOKEN, Join, STARTED_WITH, TOKEN, config_yaml},
    },
    providers::Provider,
};

pub const SERVERS: Step = Step { id: "install-servers", title: "Install K3s servers" };
pub const AGENTS: Step = Step { id: "join-agents", title: "Join agents" };
const WITHIN: Duration = Duration::from_secs(180);
const EVERY: Duration = Duration::from_millis(20);
const JOURNAL_LINES: usize = 20;
/// A unit that failed this often is not going to start.
const HOPELESS_RESTARTS: u32 = 2;

/// Makes nodes of the servers, one after the other: embedded etcd takes one new member at a time. Returns the token with
/// which agents join.
///
/// # Errors
/// The server whose K3s did not start, with its journal.
pub async fn install_servers(
    run: &Run,
    provider: &dyn Provider,
    cluster: &Cluster,
    servers: &[&Machine],
    secret: &str,
) -> Result<String, Failure> {
    run.step(SERVERS, async |scope| {
        let mut changed = false;
        let mut token = secret.to_owned();
        let mut first = None;
        for &server in servers {
            let join = first.map_or(Join::First, Join::Through);
            let installed = scope
                .on(&server.name, async |scope| {
                    let started = start(provider, cluster, server, join, &token).await?;
                    await_active(provider, server, scope, &API_NOT_READY).await?;
                    Ok(started)
                })
                .await?;
            changed |= installed.changed();
            if first.is_none() {
                first = Some(server);
                token = full_token(provider, server, scope).await?;
            }
        }
        Ok(Done::when(changed, token))
    })
    .await
}

/// Makes nodes of the agents, all at the same time.
///
/// # Errors
/// The agents whose K3s did not start, with their journals.
pub async fn join_agents(
    run: &Run,
    provider: &dyn Provider,
    cluster: &Cluster,
    server: &Machine,
    agents: &[&Machine],
    token: &str,
) -> Result<(), Failure> {
    run.step(AGENTS, async |scope| {
        let joined = scope
            .on_each(agents, async |machine, scope| {
                let started = start(provider, cluster, machine, Join::Through(server), token).await?;
                await_active(provider, machine, scope, &NODE_NEVER_JOINED).await?;
                Ok(started)
            })
            .await?;
        Ok(joined.map(drop))
    })
    .await
}

/// Has the unit running with these settings. What it was last started with is kept beside them, so that a run that was
/// cut off between writing and starting is made good by the next.
async fn start(
    provider: &dyn Provider,
    cluster: &Cluster,
    machine: &Machine,
    join: Join<'_>,
    token: &str,
) -> Result<Done<()>, Failure> {
    let host = provider.host(machine);
    let file = |path: &str, text: String| RemoteFile { path: path.into(), mode: 0o600, content: Content::Text(text) };
    let config = config_yaml(cluster, machine, join);
    let wanted = fingerprint([&cluster.k3s.version, &config, token]);
    let put = host.put(&[file(CONFIG, config), file(TOKEN, token.into())]).await?;
    let restart = host.read(STARTED_WITH).await?.as_ref() != Some(&wanted);
    let started = host.start_unit(machine.role.unit(), restart).await?;
    if restart {
        host.put(&[file(STARTED_WITH, wanted)]).await?;
    }
    Ok(Done::when(put.changed() || started.changed(), ()))
}

fn fingerprint<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn await_active(
    provider: &dyn Provider,
    machine: &Machine,
    scope: &Scope<'_>,
    failure: &'static crate::failure::Entry,
) -> Result<(), Failure> {
    let host = provider.host(machine);
    let unit = machine.role.unit();
    let patience = Patience {
        what: format!("unit `{unit}` of machine `{}`", machine.name),
        within: WITHIN,
        every: EVERY,
        failure,
    };
    let waited = scope
        .until(&patience, async || {
            let state = host.unit_state(unit).await?;
            if state.active == "failed" || state.restarts >= HOPELESS_RESTARTS {
                return Err(Failure::new(&UNIT_FAILED, format!("unit `{unit}` of machine `{}` failed", machine.name)));
            }
            let journal = host.journal(unit, JOURNAL_LINES).await?;
            if let Some(line) = journal.lines().find(|line| line.contains("level=fatal")) {
                let what = format!("unit `{unit}` of machine `{}` failed", machine.name);
                return Err(Failure::new(&UNIT_FAILED, what).because(line));
            }
            if let Some(line) = journal.lines().find(|line| line.contains("level=error")) {
                let what = format!("K3s on machine `{}` cannot join", machine.name);
                return Err(Failure::new(&NODE_NEVER_JOINED, what).because(line));
            }
            match state.active.as_str() {
                "active" => Ok(Seen::Ready(())),
                active => Ok(Seen::NotYet(format!("unit {unit} is {active}"))),
            }
        })
        .await;
    match waited {
        Err(failure) if failure.kind == crate::failure::Kind::K3s => {
            let journal = host.journal(unit, JOURNAL_LINES).await.unwrap_or_default();
            Err(failure.output(journal).hint(format!("./orchestrator logs {}", machine.name)))
        }
        waited => waited,
    }
}

/// Reads the token that also proves the cluster's CA: with it a node cannot be lured into another cluster.
async fn full_token(provider: &dyn Provider, server: &Machine, scope: &Scope<'_>) -> Result<String, Failure> {
    let host = provider.host(server);
    let patience = Patience {
        what: format!("the token of server `{}`", server.name),
        within: WITHIN,
        every: EVERY,
        failure: &API_NOT_READY,
    };
    scope
        .until(&patience, async || match host.read(FULL_TOKEN).await? {
            Some(token) => Ok(Seen::Ready(token.trim().to_owned())),
            None => Ok(Seen::NotYet(format!("{FULL_TOKEN} is not there yet"))),
        })
        .await
}

/// Returns the machines of a role, in their order.
pub fn of_role(machines: &[Machine], role: Role) -> Vec<&Machine> {
    machines.iter().filter(|machine| machine.role == role).collect()
}
