//! Virtual machines on this computer, made by Vagrant.

mod boots;
mod environment;
mod failure;
mod hypervisor;
mod index;
mod key;
mod kvm;
mod libvirt;
mod machine_readable;
mod names;
mod networks;
mod record;
mod settings;
mod virtualbox;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use async_trait::async_trait;
use ipnet::Ipv4Net;
use tokio::sync::Mutex;

use super::{OnSeen, Provider};
use crate::{
    config::{Addresses, Driver, Hypervisor as Kind, VagrantSection},
    effects::{
        computer::Computer,
        host::Host,
        remote_host::RemoteHost,
        ssh::{Ssh, SshUser, Surroundings, Target, ask::Nobody},
    },
    failure::{Failure, NETWORK_TAKEN, STATE_UNUSABLE, VAGRANT_MISSING, VM_NOT_BOOTED},
    model::{API_PORT, Done, Machine, MachineSpec, MachineState, PackageManager},
};
use boots::{Batch, Boots, Results};
use environment::{Ended, Environment};
use hypervisor::{Hypervisor, VirtualMachine};
use index::Index;
use key::Key;
use libvirt::Libvirt;
use machine_readable::{Line, Said};
use names::Names;
use record::{Known, Record, Remembered};
use settings::{Made, Settings, fixed_address, role};
use virtualbox::Virtualbox;

/// Vagrant has waited for SSH already; what is left is what a machine does after its first answer.
const BOOT: Duration = Duration::from_secs(120);
/// Who boxes let in (<https://developer.hashicorp.com/vagrant/docs/boxes/base>).
const LOGIN: &str = "vagrant";
/// VirtualBox's own network behind address translation, the same for every machine.
const TRANSLATED: &str = "10.0.2.0/24";

/// The virtual machines of one cluster.
pub struct VagrantProvider {
    cluster: String,
    section: VagrantSection,
    /// The folder of `orchestrator.toml`.
    base: PathBuf,
    wanted: Vec<MachineSpec>,
    names: Names,
    computer: Computer,
    environment: Environment,
    hypervisor: Box<dyn Hypervisor>,
    record: Record,
    index: Index,
    key: Key,
    user: Rc<SshUser>,
    hosts: RefCell<BTreeMap<String, Rc<RemoteHost>>>,
    boots: Boots,
    /// Held while a machine that runs is restarted: one after the other, so that the rest of the cluster stays.
    restarting: Mutex<()>,
}

impl VagrantProvider {
    /// The machines of `cluster`, whose state directory is `folder`, beside a configuration in `base`.
    pub fn new(
        cluster: &str,
        folder: &Path,
        base: &Path,
        section: VagrantSection,
        wanted: Vec<MachineSpec>,
        computer: Computer,
    ) -> Self {
        let names = Names::new(cluster, folder);
        let hypervisor: Box<dyn Hypervisor> = match section.hypervisor {
            Kind::Libvirt => Box::new(Libvirt::new(&section.storage_pool, &computer)),
            Kind::Virtualbox => Box::new(Virtualbox::new(&computer)),
        };
        let vagrant = folder.join("vagrant");
        let record = Record::new(vagrant.clone());
        let user = SshUser::new(Surroundings::apart(folder, record.known_hosts()), Box::new(Nobody));
        Self {
            cluster: cluster.into(),
            section,
            base: base.into(),
            wanted,
            environment: Environment::new(vagrant, hypervisor.provider(), computer.package_manager()),
            key: Key::new(folder, computer.data(), names.prefix.trim_end_matches('-')),
            names,
            index: Index::new(&computer),
            computer,
            hypervisor,
            record,
            user,
            hosts: RefCell::default(),
            boots: Boots::default(),
            restarting: Mutex::default(),
        }
    }

    fn manager(&self) -> Option<PackageManager> {
        self.computer.package_manager()
    }

    /// Returns how libvirt runs the machines.
    fn driver(&self) -> Driver {
        self.section.driver.unwrap_or_else(|| if kvm::usable().is_ok() { Driver::Kvm } else { Driver::Qemu })
    }

    /// Writes what Vagrant reads. Returns whether it changed.
    async fn write_settings(&self) -> Result<bool, Failure> {
        let folder = self.environment.folder();
        let unusable = |error: std::io::Error| {
            Failure::new(&STATE_UNUSABLE, format!("cannot use {}", folder.display())).because(error)
        };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let remembered = self.choose_networks().await?;
        let public = self.key.prepare(&format!("orchestrator {}", self.cluster))?;
        let made = Made {
            section: &self.section,
            base: &self.base,
            names: &self.names,
            driver: self.driver(),
            key: (self.key.path(), &public),
            network: remembered.network.expect("it was chosen"),
            management: remembered.management.expect("it was chosen"),
            wanted: &self.wanted,
            remembered: &remembered,
        };
        Settings::new(&made).write(folder).map_err(unusable)
    }

    /// Chooses the networks, once: machines keep theirs, also when the state directory was lost.
    async fn choose_networks(&self) -> Result<Remembered, Failure> {
        let mut remembered = self.record.load()?;
        let written: Option<Ipv4Net> = self.section.network.as_ref().and_then(|text| text.parse().ok());
        if remembered.network.is_some_and(|known| written.is_none_or(|written| written == known)) {
            return Ok(remembered);
        }
        let taken = networks::routed();
        let none = || {
            Failure::new(&NETWORK_TAKEN, "every network that machines could have is in use on this computer")
                .hint("write a free one into orchestrator.toml: `[vagrant] network = \"10.99.0.0/24\"`")
        };
        let there = self.hypervisor.network(&self.names.network).await?;
        if let (Some(there), Some(written)) = (there, written.filter(|written| Some(*written) != there)) {
            let what = format!("the machines live in the network {there}, and `[vagrant] network` says {written}");
            return Err(Failure::new(&NETWORK_TAKEN, what).hint("write the old one, or: ./orchestrator destroy"));
        }
        let private = written.or(there).or_else(|| networks::free_private(&taken)).ok_or_else(none)?;
        let there = remembered.management.or(self.hypervisor.network(&self.names.management).await?);
        let management = there.or_else(|| networks::free_management(&taken)).ok_or_else(none)?;
        (remembered.network, remembered.management) = (Some(private), Some(management));
        let chosen = remembered.clone();
        self.record.change(|remembered| *remembered = chosen)?;
        Ok(remembered)
    }

    async fn find(&self, machine: &str) -> Result<Option<VirtualMachine>, Failure> {
        let name = self.names.of(machine);
        Ok(self.hypervisor.machines(&self.names).await?.into_iter().find(|machine| machine.name == name))
    }

    /// Brings what an interrupted run left into a state that Vagrant goes on from: it knows the machine, or there is
    /// nothing of it.
    async fn heal(&self, machine: &str) -> Result<Option<VirtualMachine>, Failure> {
        let found = self.find(machine).await?;
        match &found {
            Some(found) => self.environment.adopt(machine, &found.uuid)?,
            None => self.hypervisor.remove_stray_disks(&self.names.of(machine)).await?,
        }
        Ok(found)
    }

    /// Has a machine booted with all that it needs; `command` is what Vagrant is to do.
    async fn boot(&self, spec: &MachineSpec, seen: OnSeen<'_>) -> Result<(), Failure> {
        self.boots.boot(&spec.name, seen, async |batch| self.up(&batch).await).await
    }

    async fn up(&self, batch: &Batch) -> Results {
        let mut results = Results::new();
        let mut ready = Vec::new();
        for machine in batch.keys() {
            match self.heal(machine).await {
                Ok(_) => ready.push(machine.as_str()),
                Err(failure) => drop(results.insert(machine.clone(), Err(failure))),
            }
        }
        if !ready.is_empty() {
            let args: Vec<_> = ["up", "--no-destroy-on-error"].into_iter().chain(ready.iter().copied()).collect();
            results.extend(self.work(&args, &ready, batch).await);
        }
        results
    }

    /// Has Vagrant work on machines, and remembers what they say of themselves.
    async fn work(&self, args: &[&str], machines: &[&str], batch: &Batch) -> Results {
        let told: RefCell<BTreeMap<String, Vec<(String, String)>>> = RefCell::default();
        let mut finished = Vec::new();
        let ended = self.environment.vagrant(args, |line: &Line| match &line.said {
            Said::Told(facts) => told.borrow_mut().entry(line.machine.clone()).or_default().extend(facts.clone()),
            Said::Finished => finished.push(line.machine.clone()),
            Said::Words(words) => batch
                .iter()
                .filter(|(name, _)| line.machine.is_empty() || line.machine == **name)
                .for_each(|(_, tell)| drop(tell.send_replace(words.clone()))),
            _ => {}
        });
        let ended = ended.await;
        let mut results = Results::new();
        for machine in machines {
            let result = match &ended {
                Err(failure) => Err(failure.clone()),
                Ok(Ended::Badly(words)) if !finished.iter().any(|name| name == machine) => {
                    let words = failure::part_of(machine, words).unwrap_or(words);
                    Err(failure::failure(machine, words, self.manager()))
                }
                Ok(_) => self.remember(machine, told.borrow().get(*machine).map_or(&[][..], Vec::as_slice)),
            };
            results.insert((*machine).to_owned(), result);
        }
        results
    }

    /// Remembers what a machine said of itself when it booted.
    fn remember(&self, machine: &str, told: &[(String, String)]) -> Result<(), Failure> {
        let remembered = self.record.load()?;
        let spec = self.spec(machine, &remembered);
        let values = |wanted| told.iter().filter(move |(key, _)| key == wanted).map(|(_, value)| value.as_str());
        let addresses: Vec<_> = values("address").filter_map(|held| Some(held.split_once(' ')?.1)).collect();
        let known = Known {
            address: self.address(&spec, &remembered, &addresses),
            host_key: values("host-key").next().map(str::to_owned),
            spec,
        };
        let whole = known.is_whole();
        if remembered.machines.get(machine).is_some_and(|before| before.address != known.address) {
            self.hosts.borrow_mut().remove(machine);
        }
        self.record.change(|remembered| drop(remembered.machines.insert(machine.into(), known)))?;
        if whole {
            return Ok(());
        }
        let failure = Failure::new(&VM_NOT_BOOTED, format!("virtual machine `{machine}` did not get its address"));
        Err(failure.because(format!("it has {}", addresses.join(", "))).hint("./orchestrator create"))
    }

    /// Returns the address of a machine in the private network, if it has one there.
    fn address(&self, spec: &MachineSpec, remembered: &Remembered, held: &[&str]) -> Option<String> {
        let network = remembered.network?;
        if self.section.addresses == Addresses::Fixed {
            return Some(fixed_address(spec, &network)).filter(|fixed| held.contains(&fixed.as_str()));
        }
        let others = [remembered.management, TRANSLATED.parse().ok()];
        let private = |address: &&&str| {
            let address: Option<Ipv4Addr> = address.parse().ok();
            address.is_some_and(|address| others.iter().flatten().all(|other| !other.contains(&address)))
        };
        held.iter()
            .find(|address| {
                private(address) && network.contains(&address.parse::<Ipv4Addr>().unwrap_or(Ipv4Addr::UNSPECIFIED))
            })
            .or_else(|| held.iter().find(private))
            .map(|address| (*address).to_owned())
    }

    fn spec(&self, machine: &str, remembered: &Remembered) -> MachineSpec {
        let wanted = self.wanted.iter().find(|spec| spec.name == machine).cloned();
        let known = || remembered.machines.get(machine).map(|known| known.spec.clone());
        wanted.or_else(known).unwrap_or_else(|| MachineSpec {
            name: machine.into(),
            role: role(machine),
            cpus: 1,
            memory: 1 << 30,
            disk: 1 << 30,
        })
    }

    /// Returns a machine as steps see it.
    fn machine(&self, name: &str, state: MachineState) -> Result<Machine, Failure> {
        let remembered = self.record.load()?;
        let spec = self.spec(name, &remembered);
        let known = remembered.machines.get(name).and_then(|known| known.address.clone());
        let address = known.or_else(|| Some(fixed_address(&spec, remembered.network.as_ref()?))).unwrap_or_default();
        Ok(Machine { name: name.into(), role: spec.role, state, address })
    }

    fn remote(&self, machine: &Machine) -> Rc<RemoteHost> {
        let mut hosts = self.hosts.borrow_mut();
        let made = hosts.entry(machine.name.clone()).or_insert_with(|| {
            let target = Target {
                name: machine.name.clone(),
                address: machine.address.clone(),
                user: Some(LOGIN.into()),
                port: Some(22),
                key: Some(self.key.path().to_owned()),
            };
            Rc::new(RemoteHost::new(Rc::new(Ssh::new(self.user.clone(), target))))
        });
        made.clone()
    }

    /// Has a machine that runs say who it is: an interrupted run did not hear it. Restarts it if it is not whole.
    async fn complete(&self, spec: &MachineSpec, seen: OnSeen<'_>) -> Result<(), Failure> {
        self.heal(&spec.name).await?;
        let tell = self.tell(spec);
        seen("asking for its host key");
        let provision = ["provision", &spec.name, "--provision-with", "orchestrator"];
        let asked = self.work(&provision, &[&spec.name], &tell).await.remove(&spec.name).unwrap_or(Ok(()));
        if asked.is_ok() {
            return asked;
        }
        seen("restarting it: it had not booted to its end");
        self.restart(spec).await
    }

    /// Restarts a machine with the size that it is to have.
    async fn restart(&self, spec: &MachineSpec) -> Result<(), Failure> {
        let _turn = self.restarting.lock().await;
        self.heal(&spec.name).await?;
        let reload = ["reload", &spec.name, "--provision"];
        self.work(&reload, &[&spec.name], &self.tell(spec)).await.remove(&spec.name).unwrap_or(Ok(()))
    }

    fn tell(&self, spec: &MachineSpec) -> Batch {
        Batch::from([(spec.name.clone(), tokio::sync::watch::channel(String::new()).0)])
    }
}

#[async_trait(?Send)]
impl Provider for VagrantProvider {
    async fn check(&self) -> Result<(), Failure> {
        if self.computer.program("vagrant").is_none() {
            return Err(Failure::new(&VAGRANT_MISSING, "Vagrant is not installed")
                .hint(PackageManager::installs_vagrant(self.manager())));
        }
        self.hypervisor.machines(&self.names).await.map(drop)
    }

    async fn prepare(&self) -> Result<Done<()>, Failure> {
        Ok(Done::when(self.write_settings().await?, ()))
    }

    async fn list(&self) -> Result<Vec<Machine>, Failure> {
        let found = self.hypervisor.machines(&self.names).await?;
        let ours = found.iter().filter_map(|found| Some((self.names.machine(&found.name)?, found.state)));
        ours.map(|(name, state)| self.machine(name, state)).collect()
    }

    async fn known(&self) -> Result<Vec<Machine>, Failure> {
        let remembered = self.record.load()?;
        remembered.machines.keys().map(|name| self.machine(name, MachineState::Running)).collect()
    }

    async fn create(&self, spec: &MachineSpec, seen: OnSeen<'_>) -> Result<Done<Machine>, Failure> {
        let found = self.find(&spec.name).await?;
        let known = self.record.load()?.machines.remove(&spec.name);
        let runs = found.is_some_and(|found| found.state == MachineState::Running);
        match known {
            Some(known) if runs && known.is_whole() && same_size(&known.spec, spec) => {
                return Ok(Done::Unchanged(self.machine(&spec.name, MachineState::Running)?));
            }
            Some(known) if runs && known.is_whole() => {
                seen(&format!("restarting it: {}", difference(&known.spec, spec)));
                self.restart(spec).await?;
            }
            _ if runs => self.complete(spec, seen).await?,
            _ => self.boot(spec, seen).await?,
        }
        Ok(Done::Changed(self.machine(&spec.name, MachineState::Running)?))
    }

    async fn start(&self, machine: &Machine, seen: OnSeen<'_>) -> Result<Done<Machine>, Failure> {
        let spec = self.spec(&machine.name, &self.record.load()?);
        let found = self.find(&machine.name).await?;
        if found.is_some_and(|found| found.state == MachineState::Running) {
            return Ok(Done::Unchanged(self.machine(&machine.name, MachineState::Running)?));
        }
        self.boot(&spec, seen).await?;
        Ok(Done::Changed(self.machine(&machine.name, MachineState::Running)?))
    }

    async fn stop(&self, machine: &Machine) -> Result<Done<()>, Failure> {
        if machine.state == MachineState::Stopped {
            return Ok(Done::Unchanged(()));
        }
        self.write_settings().await?;
        self.heal(&machine.name).await?;
        match self.environment.vagrant(&["halt", &machine.name], |_| {}).await? {
            Ended::Well => Ok(Done::Changed(())),
            Ended::Badly(words) => Err(failure::failure(&machine.name, &words, self.manager())),
        }
    }

    async fn destroy(&self, machine: &Machine) -> Result<Done<()>, Failure> {
        let name = &machine.name;
        if !self.record.load()?.machines.contains_key(name) {
            // Vagrant removes what its configuration names.
            let spec = self.spec(name, &Remembered::default());
            let known = Known { spec, address: None, host_key: None };
            self.record.change(|remembered| drop(remembered.machines.insert(name.clone(), known)))?;
        }
        self.write_settings().await?;
        self.heal(name).await?;
        let ended = self.environment.vagrant(&["destroy", "--force", name], |_| {}).await?;
        // What Vagrant does not remove is removed without it.
        if self.hypervisor.remove(&self.names.of(name)).await?
            && let Ended::Badly(words) = &ended
            && self.find(name).await?.is_some()
        {
            return Err(failure::failure(name, words, self.manager()));
        }
        self.hosts.borrow_mut().remove(name);
        self.record.change(|remembered| drop(remembered.machines.remove(name)))?;
        Ok(Done::Changed(()))
    }

    async fn rest(&self) -> Result<Done<()>, Failure> {
        Ok(Done::Unchanged(()))
    }

    async fn clean_up(&self) -> Result<Done<()>, Failure> {
        let disks = self.wanted.iter().map(|spec| self.names.of(&spec.name));
        for name in disks {
            self.hypervisor.remove_stray_disks(&name).await?;
        }
        let networks = self.hypervisor.remove_networks(&self.names).await?;
        let index = self.index.forget(&self.environment.memory())?;
        self.environment.forget()?;
        self.key.remove()?;
        Ok(Done::when(networks || index, ()))
    }

    async fn leftovers(&self) -> Result<Vec<String>, Failure> {
        let mut left = self.hypervisor.leftovers(&self.names).await?;
        let index = self.index.machines(&self.environment.memory())?.into_iter();
        left.extend(index.map(|name| format!("{name} in Vagrant's index")));
        Ok(left)
    }

    fn host(&self, machine: &Machine) -> Rc<dyn Host + '_> {
        self.remote(machine)
    }

    fn boots_within(&self) -> Duration {
        BOOT
    }

    async fn shell(&self, machine: &Machine, command: Option<&[String]>) -> Result<u8, Failure> {
        let remote = self.remote(machine);
        remote.ssh().shell(command).await.map_err(|error| remote.ssh().failure(&error))
    }

    async fn api_url(&self, server: &Machine) -> Result<String, Failure> {
        Ok(format!("https://{}:{API_PORT}", server.address))
    }

    fn api_name<'c>(&self, cluster: &'c str) -> Option<&'c str> {
        Some(cluster)
    }

    fn caution(&self) -> Option<String> {
        let slow = self.section.hypervisor == Kind::Libvirt && self.driver() == Driver::Qemu;
        slow.then(|| {
            "the machines run in software (`driver = \"qemu\"`), ten times slower than on the processor".into()
        })
    }
}

/// Whether a machine needs no restart: disks grow with the machine that is made anew alone.
fn same_size(one: &MachineSpec, other: &MachineSpec) -> bool {
    (one.cpus, one.memory) == (other.cpus, other.memory)
}

fn difference(from: &MachineSpec, to: &MachineSpec) -> String {
    let size = |spec: &MachineSpec| format!("{} cpus, {} MiB", spec.cpus, spec.memory >> 20);
    format!("{} to {}", size(from), size(to))
}
