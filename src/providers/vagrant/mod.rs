//! Virtual machines on this computer, made by Vagrant.

mod boot;
mod choose_networks;
mod environment;
mod failure;
mod hypervisor;
mod index;
mod kvm;
mod libvirt;
mod libvirt_descriptions;
mod look;
mod machine_readable;
mod names;
mod networks;
mod record;
mod settings;
mod signs;
mod virtualbox;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{OnSeen, Provider};
use crate::{
    config::{Driver, Hypervisor as Kind, VagrantSection},
    effects::{
        boots::Boots,
        computer::Computer,
        host::Host,
        machines_key::MachinesKey,
        remote_host::RemoteHost,
        ssh::{Ssh, SshUser, Surroundings, Target, ask::Nobody},
    },
    failure::{Failure, PROVIDER_FIXED, STATE_UNUSABLE, VAGRANT_MISSING},
    model::{API_PORT, Done, Machine, MachineSpec, MachineState, PackageManager, finding::Finding},
};
use environment::{Ended, Environment};
use hypervisor::Hypervisor;
use index::Index;
use libvirt::Libvirt;
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
    /// Its hypervisor is the one that runs the machines.
    section: VagrantSection,
    /// The hypervisor that the configuration says.
    configured: Kind,
    /// The folder of `orchestrator.toml`.
    base: PathBuf,
    wanted: Vec<MachineSpec>,
    names: Names,
    computer: Computer,
    environment: Environment,
    hypervisor: Box<dyn Hypervisor>,
    record: Record,
    index: Index,
    key: MachinesKey,
    user: Rc<SshUser>,
    hosts: RefCell<BTreeMap<String, Rc<RemoteHost>>>,
    boots: Boots,
    /// Held while a machine that runs is restarted: one after the other, so that the rest of the cluster stays.
    restarting: Mutex<()>,
}

impl VagrantProvider {
    /// The machines of `cluster`, whose state directory is `folder`, for a configuration in the folder `base`.
    ///
    /// # Errors
    /// When what is remembered of them cannot be read.
    pub fn new(
        cluster: &str,
        folder: &Path,
        base: &Path,
        mut section: VagrantSection,
        wanted: Vec<MachineSpec>,
        computer: Computer,
    ) -> Result<Self, Failure> {
        let vagrant = folder.join("vagrant");
        let record = Record::new(vagrant.clone());
        let remembered = record.load()?;
        let configured = section.hypervisor;
        section.hypervisor = remembered.hypervisor.filter(|_| !remembered.machines.is_empty()).unwrap_or(configured);
        let names = match remembered.prefix {
            Some(prefix) => Names::beginning(prefix, cluster),
            None => Names::new(cluster, &base.canonicalize().unwrap_or_else(|_| base.to_owned())),
        };
        let hypervisor: Box<dyn Hypervisor> = match section.hypervisor {
            Kind::Libvirt => Box::new(Libvirt::new(&section.storage_pool, &computer)),
            Kind::Virtualbox => Box::new(Virtualbox::new(&computer)),
        };
        let user = SshUser::new(Surroundings::apart(folder, record.known_hosts()), Box::new(Nobody));
        Ok(Self {
            cluster: cluster.into(),
            section,
            configured,
            base: base.into(),
            wanted,
            environment: Environment::new(vagrant, hypervisor.provider(), computer.package_manager()),
            key: MachinesKey::new(folder, computer.data(), names.prefix.trim_end_matches('-')),
            names,
            index: Index::new(&computer),
            computer,
            hypervisor,
            record,
            user,
            hosts: RefCell::default(),
            boots: Boots::default(),
            restarting: Mutex::default(),
        })
    }

    fn manager(&self) -> Option<PackageManager> {
        self.computer.package_manager()
    }

    /// Returns how libvirt runs the machines.
    fn driver(&self) -> Driver {
        self.section.driver.unwrap_or_else(|| if kvm::usable().is_ok() { Driver::Kvm } else { Driver::Qemu })
    }

    /// Checks that the machines are to stay with the hypervisor that runs them.
    fn check_hypervisor(&self) -> Result<(), Failure> {
        if self.configured == self.section.hypervisor {
            return Ok(());
        }
        let runs = self.hypervisor.provider();
        let what = format!("{runs} runs the machines, and `[vagrant] hypervisor` says another");
        Err(Failure::new(&PROVIDER_FIXED, what)
            .hint(format!("./orchestrator destroy, or write: hypervisor = \"{runs}\"")))
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
        let address = known.or_else(|| Some(fixed_address(&spec, remembered.network?))).unwrap_or_default();
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

    async fn look(&self) -> Vec<Finding> {
        self.look_closer().await
    }

    async fn prepare(&self) -> Result<Done<()>, Failure> {
        self.check_hypervisor()?;
        self.environment.end_earlier().await?;
        let changed = self.write_settings().await?;
        self.check_network()?;
        Ok(Done::when(changed, ()))
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
                self.restart(spec, seen).await?;
            }
            None if runs => self.adopt(spec, seen).await?,
            _ => self.boot(spec, seen).await?,
        }
        Ok(Done::Changed(self.machine(&spec.name, MachineState::Running)?))
    }

    fn to_restart(&self, specs: &[MachineSpec]) -> Result<BTreeMap<String, String>, Failure> {
        let remembered = self.record.load()?;
        let restart = |spec: &MachineSpec| {
            let known = &remembered.machines.get(&spec.name)?.spec;
            (!same_size(known, spec)).then(|| (spec.name.clone(), difference(known, spec)))
        };
        Ok(specs.iter().filter_map(restart).collect())
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
        self.introduce(&machine.name).await?;
        match self.environment.vagrant(&["halt", &machine.name], |_| {}).await? {
            Ended::Well => Ok(Done::Changed(())),
            Ended::Badly(words) => Err(failure::failure(&machine.name, &words, self.manager())),
        }
    }

    async fn destroy(&self, machine: &Machine) -> Result<Done<()>, Failure> {
        let name = &machine.name;
        let known = self.record.load()?.machines.remove(name);
        let half_made = known.as_ref().is_some_and(|known| !known.is_whole());
        if known.is_none() {
            // Vagrant removes what its configuration names.
            let spec = self.spec(name, &Remembered::default());
            self.record.change(|remembered| drop(remembered.machines.insert(name.clone(), Known::begun(spec))))?;
        }
        self.write_settings().await?;
        self.introduce(name).await?;
        // Vagrant would ask one that was only begun for its address first, at length.
        let ended = match half_made {
            true => Ended::Well,
            false => self.environment.vagrant(&["destroy", "--force", name], |_| {}).await?,
        };
        // What Vagrant does not remove is removed without it.
        if self.hypervisor.remove(&self.names.of(name)).await?
            && let Ended::Badly(words) = &ended
            && self.find(name).await?.is_some()
        {
            return Err(failure::failure(name, words, self.manager()));
        }
        self.hosts.borrow_mut().remove(name);
        self.record.change(|remembered| drop(remembered.machines.remove(name)))?;
        self.write_settings().await?; // the next run finds them as they are to be
        Ok(Done::Changed(()))
    }

    async fn rest(&self) -> Result<Done<()>, Failure> {
        Ok(Done::Unchanged(()))
    }

    async fn clean_up(&self) -> Result<Done<()>, Failure> {
        self.environment.end_earlier().await?;
        let rest = self.hypervisor.remove_rest(&self.names).await?;
        let index = self.index.forget(&self.environment.memory())?;
        self.environment.forget()?;
        self.key.remove()?;
        Ok(Done::when(rest || index, ()))
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
