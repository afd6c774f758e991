//! VirtualBox, asked with `VBoxManage` (<https://www.virtualbox.org/manual/>).

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use ipnet::Ipv4Net;

use super::{
    failure::failure,
    hypervisor::{Hypervisor, VirtualMachine},
    names::Names,
};
use crate::{
    effects::{computer::Computer, exec::Program},
    failure::{Failure, VAGRANT_MISSING},
    model::{MachineState, PackageManager},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The VirtualBox of this computer. Its host-only networks are shared by all virtual machines and stay.
pub struct Virtualbox {
    manager: Option<PackageManager>,
}

impl Virtualbox {
    pub fn new(computer: &Computer) -> Self {
        Self { manager: computer.package_manager() }
    }

    async fn manage(&self, args: &[&str]) -> Result<String, Failure> {
        match Program::new("VBoxManage").args(args).patience(PATIENCE).output().await {
            Ok(finished) if finished.status.success() => Ok(finished.stdout),
            Ok(finished) => {
                let mut refused = failure("", finished.words(), self.manager);
                if refused.what.contains("``") {
                    refused.what = format!("VirtualBox refused `VBoxManage {}`", args.join(" "));
                }
                Err(refused)
            }
            Err(error) if error.is_missing() => Err(Failure::new(&VAGRANT_MISSING, "VirtualBox is not installed")
                .because(error)
                .hint(PackageManager::installs_virtualbox(self.manager))),
            Err(error) => Err(failure("", &error.to_string(), self.manager)),
        }
    }
}

#[async_trait(?Send)]
impl Hypervisor for Virtualbox {
    fn provider(&self) -> &'static str {
        "virtualbox"
    }

    async fn machines(&self, names: &Names) -> Result<Vec<VirtualMachine>, Failure> {
        let running = parse(&self.manage(&["list", "runningvms"]).await?);
        let all = parse(&self.manage(&["list", "vms"]).await?).into_iter();
        let machine = |(name, uuid): (String, String)| {
            let runs = running.iter().any(|(_, running)| *running == uuid);
            let state = if runs { MachineState::Running } else { MachineState::Stopped };
            names.machine(&name).is_some().then_some(VirtualMachine { name, uuid, state })
        };
        Ok(all.filter_map(machine).collect())
    }

    async fn room(&self) -> Result<Option<u64>, Failure> {
        Ok(None)
    }

    async fn networks(&self) -> Result<BTreeMap<String, Ipv4Net>, Failure> {
        Ok(BTreeMap::new()) // host-only networks belong to no cluster
    }

    async fn remove(&self, name: &str) -> Result<bool, Failure> {
        let there = parse(&self.manage(&["list", "vms"]).await?).iter().any(|(known, _)| known == name);
        if there {
            let _ = self.manage(&["controlvm", name, "poweroff"]).await; // it may be off
            self.manage(&["unregistervm", name, "--delete"]).await?;
        }
        Ok(there)
    }

    async fn remove_stray_disks(&self, _: &str) -> Result<(), Failure> {
        Ok(()) // a disk is imported together with its machine
    }

    async fn remove_broken_images(&self, _: &str, _: &Path) -> Result<(), Failure> {
        Ok(()) // every machine is imported from its box
    }

    async fn remove_rest(&self, names: &Names) -> Result<bool, Failure> {
        let machines = self.machines(names).await?;
        for machine in &machines {
            self.remove(&machine.name).await?;
        }
        Ok(!machines.is_empty())
    }

    async fn leftovers(&self, names: &Names) -> Result<Vec<String>, Failure> {
        let machines = self.machines(names).await?;
        Ok(machines.into_iter().map(|machine| format!("virtual machine {}", machine.name)).collect())
    }
}

/// Reads lines of `"name" {uuid}`.
fn parse(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (name, uuid) = line.strip_prefix('"')?.rsplit_once("\" {")?;
        Some((name.to_owned(), uuid.strip_suffix('}')?.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_uuids_are_read() {
        let text = "\"0a-shop-server-1\" {5c8c3b2e-8f6f-4f6b-9b53-0d6f8e3a9d10}\n\"a \"b\" {x\" {7c8c3b2e-8f6f-4f6b-9b53-0d6f8e3a9d10}\n";
        let machines = parse(text);
        assert_eq!(machines[0], ("0a-shop-server-1".into(), "5c8c3b2e-8f6f-4f6b-9b53-0d6f8e3a9d10".into()));
        assert_eq!(machines[1].0, "a \"b\" {x");
    }
}
