use std::{cell::RefCell, collections::BTreeMap};

use futures::future::join_all;

use super::begin_cluster;
use crate::{
    effects::host::Host,
    engine::{Named, Run, Scope, Step},
    failure::{ARTIFACTS_UNUSABLE, Failure},
    model::{Content, Done, Machine, Reached, ReleaseFile, RemoteFile, Role},
    plan::{
        cluster::Cluster,
        k3s::{Join, NodeFiles, STARTED_WITH, fingerprint, url},
    },
    providers::Provider,
};

pub const STEP: Step = Step { id: "install-k3s", title: "Install K3s" };

/// What every node is made of.
pub struct Parts<'a> {
    pub provider: &'a dyn Provider,
    pub cluster: &'a Cluster,
    /// The cluster's random id.
    pub id: &'a str,
    pub joined: &'a begin_cluster::Cluster,
    /// By architecture.
    pub release: &'a BTreeMap<String, Vec<ReleaseFile>>,
    pub machines: &'a [Reached],
}

/// A machine that has what it needs.
#[derive(Debug, Clone)]
pub struct Staged {
    pub reached: Reached,
    /// The hash of what its unit shall be started with.
    pub fingerprint: String,
    pub state: State,
    /// When its unit was started, or else the machine booted, by the machine's clock, in seconds since 1970: what its
    /// node said before is old.
    pub since: Option<i64>,
}

impl Staged {
    /// Whether its machine has this role and waits for another.
    pub fn waits_as(&self, role: Role) -> bool {
        self.state == State::Waits && self.reached.machine.role == role
    }
}

impl Named for Staged {
    fn name(&self) -> &str {
        &self.reached.machine.name
    }
}

/// What remains to be done with a machine's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was told to start, or runs as it should.
    Started,
    /// Another has to be up before it: it joins etcd, which takes one new member at a time, or is an agent.
    Waits,
    /// It runs with other settings or another binary.
    Outdated,
}

impl Parts<'_> {
    /// Returns the server that others join through.
    pub fn lead(&self) -> &Machine {
        let lead = self.machines.iter().find(|reached| reached.machine.name == self.joined.lead);
        &lead.expect("the lead is one of the machines").machine
    }

    /// Whether a machine's unit is to be started later than others: all but the lead that join a cluster anew, and agents
    /// of one whose lead is not up.
    fn waits(&self, reached: &Reached) -> bool {
        let machine = &reached.machine;
        match machine.role {
            Role::Server => machine.name != self.joined.lead && !reached.facts.k3s.server_data,
            Role::Agent => !self.machines.iter().any(|other| other.machine.name == self.joined.lead && other.runs()),
        }
    }

    fn files(&self, reached: &Reached) -> Vec<RemoteFile> {
        let join = self.join(reached);
        // The first server's own token begins the cluster, before there is a CA to prove.
        let token = match join {
            Join::First => self.joined.secret(),
            Join::Through(_) => &self.joined.token,
        };
        let release = self.release.get(&reached.facts.arch).map_or(&[][..], Vec::as_slice);
        NodeFiles { cluster: self.cluster, id: self.id, reached, join, token, release }.files()
    }

    /// A machine joins through the lead. One that has joined keeps the way it came, as long as that server is in the
    /// cluster: K3s does not read it again, and another lead is no reason to restart everything.
    fn join(&self, reached: &Reached) -> Join<'_> {
        let machine = &reached.machine;
        let k3s = &reached.facts.k3s;
        let has_joined = if machine.role == Role::Server { k3s.server_data } else { k3s.agent_data };
        let came = k3s.joined.as_deref().filter(|_| has_joined);
        let servers = self.machines.iter().map(|reached| &reached.machine).filter(|known| known.role == Role::Server);
        let mut others = servers.filter(|server| server.name != machine.name);
        if came == Some("") && machine.role == Role::Server {
            return Join::First;
        }
        let through = came.and_then(|came| others.find(|server| url(server) == came));
        match through {
            Some(server) => Join::Through(server),
            None if machine.name == self.joined.lead => Join::First,
            None => Join::Through(self.lead()),
        }
    }
}

/// Has K3s on every machine, all at the same time, and starts what need not wait for another: the server that others
/// join through, servers that were members before, and agents of a server that is up.
///
/// # Errors
/// The machines that could not be given what they need; the others go on by themselves.
pub async fn install_k3s(run: &Run, parts: &Parts<'_>) -> Result<Vec<Staged>, Failure> {
    run.step(STEP, async |scope| {
        let staged = RefCell::new(Vec::new());
        let install = async |reached: &Reached, scope: &Scope<'_>| {
            let done = install(parts, reached, scope).await?;
            staged.borrow_mut().push(done.clone().into_inner());
            Ok(done)
        };
        let installed = scope.on_each(parts.machines, install).await;
        if installed.is_err() {
            start_agents(parts, &staged.into_inner()).await;
        }
        installed
    })
    .await
}

/// Starts the agents that have what they need, where the run ends for want of another machine: they find the server by
/// themselves. What does not start now is started by the next run; this one tells its first failure.
async fn start_agents(parts: &Parts<'_>, staged: &[Staged]) {
    let start = async |staged: &Staged| {
        let machine = &staged.reached.machine;
        start(parts.provider.host(machine).as_ref(), machine, &staged.fingerprint).await
    };
    let waiting = staged.iter().filter(|staged| staged.waits_as(Role::Agent));
    drop(join_all(waiting.map(start)).await);
}

async fn install(parts: &Parts<'_>, reached: &Reached, scope: &Scope<'_>) -> Result<Done<Staged>, Failure> {
    let machine = &reached.machine;
    let host = parts.provider.host(machine);
    let files = parts.files(reached);
    let fingerprint = fingerprint(&files);
    let put = host.put(&files, &|done, of| scope.progress(done, of)).await?;
    if put.changed() {
        check_version(host.as_ref(), parts.cluster, machine).await?;
    }
    let k3s = &reached.facts.k3s;
    let staged = |state| Staged { reached: reached.clone(), fingerprint: fingerprint.clone(), state, since: None };
    if reached.runs() {
        let same = k3s.started_with.as_ref() == Some(&fingerprint);
        let state = if same { State::Started } else { State::Outdated };
        return Ok(Done::when(put.changed(), Staged { since: reached.facts.since, ..staged(state) }));
    }
    if parts.waits(reached) {
        return Ok(Done::when(put.changed(), staged(State::Waits)));
    }
    let since = start(host.as_ref(), machine, &fingerprint).await?;
    Ok(Done::Changed(Staged { since, ..staged(State::Started) }))
}

/// Checks that the binary can be run and is what it shall be: artifacts may be of another release.
async fn check_version(host: &dyn Host, cluster: &Cluster, machine: &Machine) -> Result<(), Failure> {
    let version = host.k3s_version().await?;
    if version == cluster.k3s.version {
        return Ok(());
    }
    let what = format!("machine `{}` was given K3s {version}, and [k3s] says {}", machine.name, cluster.k3s.version);
    let place = cluster.k3s.artifacts.as_ref().map_or("the mirror".into(), |folder| folder.display().to_string());
    Err(Failure::new(&ARTIFACTS_UNUSABLE, what).because(format!("it is what {place} has")).hint(format!(
        "write `version = \"{version}\"` into [k3s], or have the files of {} there",
        cluster.k3s.version
    )))
}

/// Starts a unit, and remembers what it was started with: a run that was cut off between the two is made good by the
/// next. Returns when it was told to start, by the machine's clock, in seconds since 1970.
///
/// # Errors
/// When the machine does not answer or systemd refuses.
pub async fn start(host: &dyn Host, machine: &Machine, fingerprint: &str) -> Result<Option<i64>, Failure> {
    let at = host.start_unit(machine.role.unit(), true).await?.into_inner();
    let started_with =
        RemoteFile { path: STARTED_WITH.into(), mode: 0o600, content: Content::Text(fingerprint.into()) };
    host.put(&[started_with], &|_, _| {}).await?;
    Ok(at)
}
