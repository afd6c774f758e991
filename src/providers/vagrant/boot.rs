//! From nothing, or from what an interrupted run left, to a virtual machine that is up and has said who it is.

use std::{cell::RefCell, collections::BTreeMap, net::Ipv4Addr};

use tokio::sync::watch;

use super::{
    TRANSLATED, VagrantProvider,
    environment::Ended,
    failure::{failure, part_of},
    hypervisor::VirtualMachine,
    machine_readable::{Line, Said},
    record::{Known, Remembered},
    settings::fixed_address,
};
use crate::{
    config::Addresses,
    effects::boots::{Batch, Results, hearing},
    failure::{Failure, VM_NOT_BOOTED},
    model::MachineSpec,
    providers::OnSeen,
};

impl VagrantProvider {
    pub(super) async fn find(&self, machine: &str) -> Result<Option<VirtualMachine>, Failure> {
        let name = self.names.of(machine);
        Ok(self.hypervisor.machines(&self.names).await?.into_iter().find(|machine| machine.name == name))
    }

    /// Has Vagrant know a machine that exists, whatever became of Vagrant's memory.
    pub(super) async fn introduce(&self, machine: &str) -> Result<Option<VirtualMachine>, Failure> {
        self.environment.end_earlier().await?;
        let found = self.find(machine).await?;
        if let Some(found) = &found {
            self.environment.adopt(machine, &found.uuid)?;
        }
        Ok(found)
    }

    /// Makes way for a machine that is to be made, and remembers that it was begun. One that an interrupted run began is
    /// removed: Vagrant would take it for whole, with no address, or without network cards.
    async fn begin(&self, spec: &MachineSpec) -> Result<(), Failure> {
        let name = self.names.of(&spec.name);
        let known = self.record.load()?.machines.remove(&spec.name);
        let half_made = known.is_some_and(|known| !known.is_whole());
        if half_made {
            self.hypervisor.remove(&name).await?;
            self.hypervisor.remove_broken_images(&self.section.r#box, self.index.home()).await?;
        }
        if self.introduce(&spec.name).await?.is_some() {
            return Ok(());
        }
        self.hypervisor.room().await?;
        self.hypervisor.remove_stray_disks(&name).await?;
        let begun = Known::begun(spec.clone());
        self.record.change(|remembered| drop(remembered.machines.insert(spec.name.clone(), begun)))
    }

    /// Boots a machine, together with others that are booted at the same time.
    pub(super) async fn boot(&self, spec: &MachineSpec, seen: OnSeen<'_>) -> Result<(), Failure> {
        self.boots.boot(&spec.name, seen, async |batch| self.up(&batch).await).await
    }

    async fn up(&self, batch: &Batch) -> Results {
        let mut results = Results::new();
        let mut ready = Vec::new();
        for machine in batch.keys() {
            let spec = self.spec(machine, &Remembered::default());
            match self.begin(&spec).await {
                Ok(()) => ready.push(machine.as_str()),
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
                    let words = part_of(machine, words).unwrap_or(words);
                    Err(failure(machine, words, self.manager()))
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
            return Some(fixed_address(spec, network)).filter(|fixed| held.contains(&fixed.as_str()));
        }
        let ways = [remembered.management, TRANSLATED.parse().ok()];
        let is_way = |held: &Ipv4Addr| ways.iter().flatten().any(|way| way.contains(held));
        let mut private: Vec<Ipv4Addr> = held.iter().filter_map(|held| held.parse().ok()).collect();
        private.retain(|held| !is_way(held));
        private.sort_by_key(|held| !network.contains(held));
        private.first().map(Ipv4Addr::to_string)
    }

    /// Has a machine that runs say who it is: the state directory was lost.
    pub(super) async fn adopt(&self, spec: &MachineSpec, seen: OnSeen<'_>) -> Result<(), Failure> {
        self.introduce(&spec.name).await?;
        seen("asking who it is: it is there, and was forgotten");
        self.work_on(spec, &["provision", &spec.name, "--provision-with", "orchestrator"], seen).await
    }

    /// Restarts a machine with the size that it is to have.
    pub(super) async fn restart(&self, spec: &MachineSpec, seen: OnSeen<'_>) -> Result<(), Failure> {
        let _turn = self.restarting.lock().await;
        self.introduce(&spec.name).await?;
        self.work_on(spec, &["reload", &spec.name, "--provision"], seen).await
    }

    async fn work_on(&self, spec: &MachineSpec, args: &[&str], seen: OnSeen<'_>) -> Result<(), Failure> {
        let (tell, news) = watch::channel(String::new());
        let batch = Batch::from([(spec.name.clone(), tell)]);
        let mut results = hearing(news, seen, self.work(args, &[&spec.name], &batch)).await;
        results.remove(&spec.name).unwrap_or(Ok(()))
    }
}
