//! Machines that exist already and answer SSH: a cluster is made of them, and they are given back as they were.

mod record;
mod tunnel;

use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, rc::Rc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream};

use super::{OnSeen, Provider};
use crate::{
    effects::{
        host::Host,
        remote_host::RemoteHost,
        ssh::{Ssh, SshUser, Target},
    },
    failure::{Failure, MACHINE_NOT_CREATED},
    model::{API_PORT, Done, Facts, Machine, MachineSpec, MachineState, Role, node_address::node_address},
};
use record::Record;
pub use record::SshMachine;
use tunnel::Tunnel;

/// A machine that was switched on answers by then, or something else is wrong.
const BOOT: Duration = Duration::from_secs(60);
/// How many machines are asked at the same time.
const PARALLEL: usize = 50;

/// The machines of one cluster.
pub struct SshProvider {
    cluster: String,
    /// The cluster's random id; `None` when its state directory is new or was lost.
    id: Option<String>,
    record: Record,
    /// Those of the configuration and those that it had once, by name.
    machines: BTreeMap<String, SshMachine>,
    user: Rc<SshUser>,
    hosts: RefCell<BTreeMap<String, Rc<RemoteHost>>>,
    /// The way to the API where it is not reached directly.
    tunnel: RefCell<Option<Tunnel>>,
}

impl SshProvider {
    /// The machines that `wanted` lists, and those that the cluster was given before, which `folder` remembers.
    ///
    /// # Errors
    /// When what `folder` remembers cannot be read.
    pub fn new(
        cluster: &str,
        id: Option<String>,
        folder: PathBuf,
        wanted: Vec<SshMachine>,
        user: Rc<SshUser>,
    ) -> Result<Self, Failure> {
        let record = Record::new(folder);
        let remembered = record.load()?;
        let machines = remembered.into_iter().chain(wanted).map(|machine| (machine.name.clone(), machine)).collect();
        Ok(Self {
            cluster: cluster.into(),
            id,
            record,
            machines,
            user,
            hosts: RefCell::default(),
            tunnel: RefCell::default(),
        })
    }

    fn remote(&self, name: &str) -> Rc<RemoteHost> {
        let mut hosts = self.hosts.borrow_mut();
        let made = hosts.entry(name.to_owned()).or_insert_with(|| {
            let machine = self.machines.get(name).expect("machines come from this provider");
            let target = Target {
                name: name.into(),
                address: machine.address.clone(),
                user: machine.user.clone(),
                port: machine.port,
                key: machine.key.clone(),
            };
            Rc::new(RemoteHost::new(Rc::new(Ssh::new(self.user.clone(), target))))
        });
        made.clone()
    }

    /// Has a tunnel to the API of a server, at `port` of this computer if it is not 0, and returns its port.
    async fn tunnel(&self, server: &str, port: u16) -> Result<u16, Failure> {
        if let Some(open) = self.tunnel.borrow().as_ref() {
            return Ok(open.port);
        }
        let opened = Tunnel::open(self.remote(server).ssh().clone(), port).await?;
        let port = opened.port;
        self.record.keep_api_port(port)?;
        self.tunnel.replace(Some(opened));
        Ok(port)
    }

    /// Returns what every machine says of itself, or why it says nothing.
    async fn ask_all(&self) -> Vec<(&SshMachine, Result<Facts, Failure>)> {
        let ask = async |machine: &SshMachine| self.remote(&machine.name).hear().await;
        let questions: Vec<_> = self.machines.values().map(ask).collect();
        let answers: Vec<_> = stream::iter(questions).buffered(PARALLEL).collect().await;
        self.machines.values().zip(answers).collect()
    }

    /// Whether a machine's K3s was installed for this cluster.
    fn is_ours(&self, facts: &Facts) -> bool {
        let owner = facts.k3s.owner.as_ref();
        owner.is_some_and(|owner| match &self.id {
            Some(id) => owner.id == *id,
            None => owner.cluster == self.cluster,
        })
    }
}

/// Returns a machine at the address that the user calls it with.
fn machine(listed: &SshMachine, state: MachineState) -> Machine {
    Machine { name: listed.name.clone(), role: listed.role, state, address: listed.address.clone() }
}

/// Returns a machine as it says it is.
fn seen(listed: &SshMachine, facts: &Facts) -> Machine {
    let state = match facts.k3s.active(listed.role) {
        Some("inactive") => MachineState::Stopped,
        _ => MachineState::Running,
    };
    let called = machine(listed, state);
    Machine { address: node_address(&listed.address, facts).unwrap_or(called.address), ..called }
}

#[async_trait(?Send)]
impl Provider for SshProvider {
    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn prepare(&self) -> Result<Done<()>, Failure> {
        Ok(Done::Unchanged(()))
    }

    async fn list(&self) -> Result<Vec<Machine>, Failure> {
        let recorded = self.record.load()?;
        let (mut machines, mut failures) = (Vec::new(), Vec::new());
        for (listed, facts) in self.ask_all().await {
            let known = recorded.iter().any(|recorded| recorded.name == listed.name);
            match facts {
                Ok(facts) if self.is_ours(&facts) => machines.push(seen(listed, &facts)),
                Ok(_) => {}
                Err(failure) if failure.may_pass() => {
                    if known {
                        machines.push(machine(listed, MachineState::Unreachable));
                    }
                }
                Err(failure) => failures.push(failure),
            }
        }
        Failure::join(failures).map_or(Ok(machines), Err)
    }

    async fn known(&self) -> Result<Vec<Machine>, Failure> {
        Ok(self.machines.values().map(|listed| machine(listed, MachineState::Running)).collect())
    }

    async fn create(&self, spec: &MachineSpec, _: OnSeen<'_>) -> Result<Done<Machine>, Failure> {
        let listed = self
            .machines
            .get(&spec.name)
            .ok_or_else(|| Failure::new(&MACHINE_NOT_CREATED, format!("`[ssh]` lists no machine `{}`", spec.name)))?;
        let new = self.record.add(listed)?;
        Ok(Done::when(new, machine(listed, MachineState::Running)))
    }

    async fn start(&self, machine: &Machine, _: OnSeen<'_>) -> Result<Done<Machine>, Failure> {
        Ok(Done::Unchanged(machine.clone()))
    }

    async fn stop(&self, _: &Machine) -> Result<Done<()>, Failure> {
        Ok(Done::Unchanged(()))
    }

    async fn destroy(&self, machine: &Machine) -> Result<Done<()>, Failure> {
        let removed = self.remote(&machine.name).uninstall().await?;
        self.record.remove(&machine.name)?;
        Ok(removed)
    }

    async fn give_up(&self, machine: &Machine) -> Result<(), Failure> {
        self.record.remove(&machine.name)
    }

    async fn rest(&self) -> Result<Done<()>, Failure> {
        Ok(Done::Unchanged(()))
    }

    async fn clean_up(&self) -> Result<Done<()>, Failure> {
        // Those that are left were listed for the cluster, and nothing was put on them.
        self.record.clear()?;
        Ok(Done::Unchanged(()))
    }

    async fn leftovers(&self) -> Result<Vec<String>, Failure> {
        let recorded = self.record.load()?;
        let mut left = Vec::new();
        for (machine, facts) in self.ask_all().await {
            let known = self.id.is_none() || recorded.iter().any(|recorded| recorded.name == machine.name);
            match facts {
                Ok(facts) if self.is_ours(&facts) => left.push(format!("K3s on machine `{}`", machine.name)),
                Ok(_) => {}
                Err(_) if !known => {}
                Err(failure) => left.push(format!("what is on machine `{}` ({failure})", machine.name)),
            }
        }
        Ok(left)
    }

    fn host(&self, machine: &Machine) -> Rc<dyn Host + '_> {
        self.remote(&machine.name)
    }

    fn boots_within(&self) -> Duration {
        BOOT
    }

    async fn shell(&self, machine: &Machine, command: Option<&[String]>) -> Result<u8, Failure> {
        let remote = self.remote(&machine.name);
        remote.ssh().shell(command).await.map_err(|error| remote.ssh().failure(&error))
    }

    async fn api_url(&self, server: &Machine) -> Result<String, Failure> {
        let name = &server.name;
        let reached_at = self.machines.get(name).map(|machine| machine.address.clone());
        let direct = tunnel::direct([Some(server.address.clone()), reached_at].into_iter().flatten()).await;
        match direct {
            Some(address) => Ok(format!("https://{address}:{API_PORT}")),
            None => Ok(format!("https://127.0.0.1:{}", self.tunnel(name, self.record.api_port()?).await?)),
        }
    }

    async fn way_to_api(&self, kubeconfig: String) -> Result<String, Failure> {
        let port = self.record.api_port()?;
        let written = format!("https://127.0.0.1:{port}");
        let mut servers = self.machines.values().filter(|machine| machine.role == Role::Server);
        let Some(server) = servers.next().filter(|_| kubeconfig.contains(&written)) else { return Ok(kubeconfig) };
        let open = self.tunnel(&server.name, port).await?;
        Ok(kubeconfig.replace(&written, &format!("https://127.0.0.1:{open}")))
    }

    fn api_name<'c>(&self, cluster: &'c str) -> Option<&'c str> {
        Some(cluster)
    }

    fn caution(&self) -> Option<String> {
        None
    }
}
