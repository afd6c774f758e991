//! libvirt, asked with `virsh` (<https://www.libvirt.org/manpages/virsh.html>).

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use ipnet::Ipv4Net;

use super::{
    failure::failure,
    hypervisor::{Hypervisor, VirtualMachine},
    libvirt_descriptions::{addresses, image_prefix, image_version, physical, size_in_box},
    names::Names,
};
use crate::{
    effects::{
        computer::{Computer, variable},
        exec::Program,
    },
    failure::{Failure, STORAGE_POOL_MISSING, VAGRANT_MISSING},
    model::{MachineState, PackageManager},
};

/// A daemon that hangs says nothing for ever.
const PATIENCE: Duration = Duration::from_secs(30);
/// An image that is being sent grows in this time.
const SENDS: Duration = Duration::from_secs(2);

/// The libvirt of this computer.
pub struct Libvirt {
    uri: String,
    pool: String,
    manager: Option<PackageManager>,
}

impl Libvirt {
    /// The libvirt that Vagrant talks to, with disks in this storage pool.
    pub fn new(pool: &str, computer: &Computer) -> Self {
        Self {
            uri: variable("LIBVIRT_DEFAULT_URI").unwrap_or_else(|| "qemu:///system".into()),
            pool: pool.into(),
            manager: computer.package_manager(),
        }
    }

    async fn ask(&self, args: &[&str]) -> Result<Result<String, String>, Failure> {
        let program = Program::new("virsh").args(["--quiet", "--connect", &self.uri]).args(args);
        match program.env("LC_ALL", "C").patience(PATIENCE).output().await {
            Ok(finished) if finished.status.success() => Ok(Ok(finished.stdout)),
            Ok(finished) => Ok(Err(finished.words().to_owned())),
            Err(error) if error.is_missing() => Err(Failure::new(&VAGRANT_MISSING, "libvirt is not installed")
                .because(error)
                .hint(PackageManager::installs_libvirt(self.manager))),
            Err(error) => Err(failure("", &error.to_string(), self.manager)),
        }
    }

    /// Runs a command of `virsh` that is to succeed.
    pub async fn virsh(&self, args: &[&str]) -> Result<String, Failure> {
        let mut refused = match self.ask(args).await? {
            Ok(text) => return Ok(text),
            Err(words) => failure("", &words, self.manager),
        };
        if refused.what.contains("``") {
            refused.what = format!("libvirt refused `virsh {}`", args.join(" "));
        }
        Err(refused)
    }

    /// Runs one that may fail because there is nothing to do.
    async fn try_virsh(&self, args: &[&str]) -> Result<bool, Failure> {
        Ok(self.ask(args).await?.is_ok())
    }

    /// Returns the disks in the pool whose names begin so; none when there is no pool.
    async fn disks(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let listed = self.ask(&["vol-list", "--pool", &self.pool]).await?.unwrap_or_default();
        let names = listed.lines().filter_map(|line| line.split_whitespace().next());
        Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
    }

    async fn network_names(&self) -> Result<Vec<String>, Failure> {
        let listed = self.virsh(&["net-list", "--all", "--name"]).await?;
        Ok(listed.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    async fn networks_of(&self, names: &Names) -> Result<Vec<String>, Failure> {
        let mut all = self.network_names().await?;
        all.retain(|name| [&names.network, &names.management].contains(&name));
        Ok(all)
    }

    async fn no_pool(&self) -> Failure {
        let pool = &self.pool;
        let listed = self.ask(&["pool-list", "--all", "--name"]).await.ok().and_then(Result::ok).unwrap_or_default();
        let there: Vec<_> = listed.split_whitespace().collect();
        let failure = Failure::new(&STORAGE_POOL_MISSING, format!("libvirt has no storage pool `{pool}`"));
        let failure = match &there[..] {
            [] => failure.because("it has none"),
            there => {
                failure.because(format!("it has {}: `[vagrant] storage-pool` says which is used", there.join(", ")))
            }
        };
        let folder = "/var/lib/libvirt/images";
        failure.hint(format!("sudo virsh pool-define-as {pool} dir --target {folder} && sudo virsh pool-start {pool}"))
    }

    /// Removes the disks of a machine: its own, and others that Vagrant gave it.
    async fn remove_disks(&self, name: &str) -> Result<bool, Failure> {
        let mut disks = self.disks(name).await?;
        disks.retain(|disk| is_of(disk, name));
        self.delete(&disks).await?;
        Ok(!disks.is_empty())
    }

    async fn delete(&self, disks: &[String]) -> Result<(), Failure> {
        for disk in disks {
            self.virsh(&["vol-delete", "--pool", &self.pool, disk]).await?;
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Hypervisor for Libvirt {
    fn provider(&self) -> &'static str {
        "libvirt"
    }

    async fn machines(&self, names: &Names) -> Result<Vec<VirtualMachine>, Failure> {
        let text = self.virsh(&["list --all; list --all --uuid --name"]).await?;
        let machines = parse(&text).into_iter().filter(|machine| names.machine(&machine.name).is_some());
        Ok(machines.collect())
    }

    async fn room(&self) -> Result<Option<u64>, Failure> {
        let said = match self.ask(&["pool-info", "--bytes", &self.pool]).await? {
            Ok(said) => said,
            Err(words) if words.contains("Storage pool not found") => return Err(self.no_pool().await),
            Err(words) => return Err(failure("", &words, self.manager)),
        };
        let field = |key: &str| said.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        if field("State:") == Some("running") {
            return Ok(field("Available:").and_then(|bytes| bytes.parse().ok()));
        }
        let what = format!("the storage pool `{}` of libvirt is not active", self.pool);
        Err(Failure::new(&STORAGE_POOL_MISSING, what).hint(format!("sudo virsh pool-start {}", self.pool)))
    }

    async fn networks(&self) -> Result<BTreeMap<String, Ipv4Net>, Failure> {
        let mut networks = BTreeMap::new();
        for name in self.network_names().await? {
            // One that another program removes meanwhile is no longer in the way.
            let described = self.ask(&["net-dumpxml", &name]).await?.unwrap_or_default();
            networks.extend(addresses(&described).map(|net| (name, net)));
        }
        Ok(networks)
    }

    async fn remove(&self, name: &str) -> Result<bool, Failure> {
        let there = self.try_virsh(&["domuuid", name]).await?;
        if there {
            self.try_virsh(&["destroy", name]).await?; // it may be off
            self.virsh(&["undefine", name, "--managed-save", "--snapshots-metadata", "--nvram"]).await?;
        }
        Ok(self.remove_disks(name).await? || there)
    }

    async fn remove_stray_disks(&self, name: &str) -> Result<(), Failure> {
        self.remove_disks(name).await.map(drop)
    }

    async fn remove_broken_images(&self, from: &str, vagrant_home: &Path) -> Result<(), Failure> {
        for image in self.disks(&image_prefix(from)).await? {
            let whole = image_version(from, &image).and_then(|version| size_in_box(vagrant_home, from, version));
            let Some(whole) = whole else { continue };
            let is_short = async || {
                let described = self.virsh(&["vol-dumpxml", "--pool", &self.pool, &image]).await?;
                Ok::<_, Failure>(physical(&described).filter(|size| *size < whole))
            };
            let Some(before) = is_short().await? else { continue };
            tokio::time::sleep(SENDS).await; // another cluster may be sending it now
            if is_short().await? == Some(before) {
                self.virsh(&["vol-delete", "--pool", &self.pool, &image]).await?;
            }
        }
        Ok(())
    }

    async fn remove_rest(&self, names: &Names) -> Result<bool, Failure> {
        let machines = self.machines(names).await?;
        for machine in &machines {
            self.remove(&machine.name).await?;
        }
        let disks = self.disks(&names.prefix).await?;
        self.delete(&disks).await?;
        let networks = self.networks_of(names).await?;
        for network in &networks {
            self.try_virsh(&["net-destroy", network]).await?; // it may be inactive
            // Without a definition it is gone with its activity.
            if self.try_virsh(&["net-uuid", network]).await? {
                self.virsh(&["net-undefine", network]).await?;
            }
        }
        Ok(!(machines.is_empty() && disks.is_empty() && networks.is_empty()))
    }

    async fn leftovers(&self, names: &Names) -> Result<Vec<String>, Failure> {
        let machines =
            self.machines(names).await?.into_iter().map(|machine| format!("virtual machine {}", machine.name));
        let disks = self.disks(&names.prefix).await?.into_iter().map(|disk| format!("disk {disk}"));
        let networks = self.networks_of(names).await?.into_iter().map(|network| format!("network {network}"));
        Ok(machines.chain(disks).chain(networks).collect())
    }
}

/// Whether a disk is of the machine of this name, and not of one whose name only begins like it.
fn is_of(disk: &str, name: &str) -> bool {
    disk.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '_']) || rest.starts_with("-vd"))
}

/// Reads the table of states, and the UUIDs with their names that follow it.
fn parse(text: &str) -> Vec<VirtualMachine> {
    let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let state = |name: &str| {
        let row = rows.iter().find(|row: &&Vec<_>| row.len() > 2 && row[1] == name)?;
        Some(if row[2] == "running" { MachineState::Running } else { MachineState::Stopped })
    };
    let machine = |row: &Vec<&str>| match row[..] {
        [uuid, name] if uuid.len() == 36 => {
            Some(VirtualMachine { name: name.into(), uuid: uuid.into(), state: state(name)? })
        }
        _ => None,
    };
    rows.iter().filter_map(machine).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_uuids_are_put_together() {
        let text = " 1    0a-shop-server-1   running\n -    0a-shop-agent-1    shut off\n -    0a-shop-agent-2    paused\n\n\
                    49fa50e1-a046-4d0a-a0c3-120815f03115 0a-shop-server-1\n59fa50e1-a046-4d0a-a0c3-120815f03115 0a-shop-agent-1\n\
                    69fa50e1-a046-4d0a-a0c3-120815f03115 0a-shop-agent-2\n\n";
        let machines = parse(text);
        let states: Vec<_> = machines.iter().map(|machine| (machine.name.as_str(), machine.state)).collect();
        let stopped = MachineState::Stopped;
        let expected =
            [("0a-shop-server-1", MachineState::Running), ("0a-shop-agent-1", stopped), ("0a-shop-agent-2", stopped)];
        assert_eq!(states, expected);
        assert_eq!(machines[1].uuid, "59fa50e1-a046-4d0a-a0c3-120815f03115");
    }

    #[test]
    fn disks_are_not_taken_for_those_of_a_machine_with_a_longer_name() {
        assert!(is_of("0a-shop-agent-1.img", "0a-shop-agent-1"));
        assert!(is_of("0a-shop-agent-1_1.img", "0a-shop-agent-1"));
        assert!(is_of("0a-shop-agent-1-vdb.qcow2", "0a-shop-agent-1"));
        assert!(!is_of("0a-shop-agent-12.img", "0a-shop-agent-1"));
    }
}
