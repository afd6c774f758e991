//! What `doctor` says of this computer as a home for virtual machines.

use std::{fs, path::Path, time::Duration};

use super::{
    VagrantProvider, kvm,
    machine_readable::{Line, Said},
};
use crate::{
    config::{Driver, Hypervisor as Kind},
    effects::exec::Program,
    failure::Failure,
    model::{PackageManager, finding::Finding},
};

const PATIENCE: Duration = Duration::from_secs(30);
const GIB: f64 = (1_u64 << 30) as f64;

impl VagrantProvider {
    /// Looks at everything that machines will need; changes nothing.
    pub(super) async fn look_closer(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.computer.program("vagrant").is_some() {
            findings.extend(self.look_at_plugin().await);
            findings.push(self.look_at_box().await);
        }
        if self.section.hypervisor == Kind::Libvirt {
            findings.push(self.look_at_processor());
        }
        let Ok(there) = self.hypervisor.machines(&self.names).await else { return findings };
        let new =
            || self.wanted.iter().filter(|spec| there.iter().all(|found| found.name != self.names.of(&spec.name)));
        let (memory, disk) = (new().map(|spec| spec.memory).sum(), new().map(|spec| spec.disk).sum());
        findings.extend(available_memory().map(|free| memory_finding(memory, free)));
        findings.extend(match self.hypervisor.room().await {
            Ok(free) => free.map(|free| disk_finding(disk, free)),
            Err(failure) => Some(problem(&failure)),
        });
        findings
    }

    async fn look_at_plugin(&self) -> Option<Finding> {
        if self.section.hypervisor != Kind::Libvirt {
            return None;
        }
        let plugins = self.listed(&["plugin", "list"], "plugin-name").await;
        Some(if plugins.iter().any(|name| name == "vagrant-libvirt") {
            Finding::ok("Vagrant has its plugin for libvirt")
        } else {
            let fix = PackageManager::installs_libvirt_plugin(self.manager());
            Finding::problem("Vagrant has no plugin for libvirt", Some(fix.into()))
        })
    }

    async fn look_at_box(&self) -> Finding {
        let name = &self.section.r#box;
        if self.listed(&["box", "list"], "box-name").await.iter().any(|known| known == name) {
            return Finding::ok(format!("the box {name} is on this computer"));
        }
        match self.section.box_url.as_deref().filter(|url| !url.contains("://")) {
            Some(file) if !self.base.join(file).is_file() => {
                let what = format!("there is no box {}", self.base.join(file).display());
                Finding::problem(what, Some("correct `[vagrant] box-url`".into()))
            }
            Some(file) => Finding::ok(format!("the box {name} is the file {file}")),
            None => Finding::warning(
                format!("the box {name} will be downloaded"),
                format!("vagrant box add {name} --provider {}", self.hypervisor.provider()),
            ),
        }
    }

    fn look_at_processor(&self) -> Finding {
        match (kvm::usable(), self.section.driver) {
            (Ok(()), Some(Driver::Qemu)) => Finding::warning(
                "the machines run in software although the processor could do it",
                "leave `driver = \"qemu\"` out of `[vagrant]`",
            ),
            (Ok(()), _) => Finding::ok("the processor runs the machines"),
            (Err(why), Some(Driver::Kvm)) => {
                Finding::problem(format!("`driver = \"kvm\"` cannot be: {why}"), Some(self.switch_on()))
            }
            (Err(why), _) => {
                Finding::warning(format!("the machines run in software, ten times slower: {why}"), self.switch_on())
            }
        }
    }

    fn switch_on(&self) -> String {
        match self.manager() {
            Some(PackageManager::Brew) => "use `hypervisor = \"virtualbox\"` in `[vagrant]`".into(),
            _ => "switch virtualisation on in the computer's firmware (or in the hypervisor it runs under), then: sudo modprobe -a kvm_intel kvm_amd".into(),
        }
    }

    /// Asks Vagrant for a list; empty when it does not answer.
    async fn listed(&self, args: &[&str], kind: &str) -> Vec<String> {
        let program = Program::new("vagrant").args(args).args(["--machine-readable"]).folder(self.base.clone());
        let program = program.env("VAGRANT_CHECKPOINT_DISABLE", "1").patience(PATIENCE);
        let Ok(finished) = program.output().await else { return Vec::new() };
        let lines = finished.stdout.lines().filter_map(Line::parse);
        let facts = lines.filter_map(|line| match line.said {
            Said::Fact(told, value) if told == kind => Some(value),
            _ => None,
        });
        facts.collect()
    }
}

fn memory_finding(needed: u64, free: u64) -> Finding {
    let (needs, has) = (needed as f64 / GIB, free as f64 / GIB);
    if needed <= free {
        return Finding::ok(format!("memory is enough: the new machines ask for {needs:.1} GiB of {has:.1} GiB"));
    }
    let what = format!("the new machines ask for {needs:.1} GiB of memory, and {has:.1} GiB are free");
    Finding::warning(what, "close programs, or ask for less: `[machine] memory`, `[cluster] agents`")
}

/// Disks grow as they are written to: one that is promised and not there may still be enough.
fn disk_finding(needed: u64, free: u64) -> Finding {
    let (needs, has) = (needed as f64 / GIB, free as f64 / GIB);
    if needed <= free {
        return Finding::ok(format!("disk is enough: the new machines may take {needs:.1} GiB of {has:.1} GiB"));
    }
    let what = format!("the disks of the new machines may grow to {needs:.1} GiB, and {has:.1} GiB are free");
    Finding::warning(what, "free some, or ask for less: `[machine] disk`")
}

/// Returns the bytes of memory that programs can have; `None` where the kernel does not say.
fn available_memory() -> Option<u64> {
    let text = fs::read_to_string(Path::new("/proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

fn problem(failure: &Failure) -> Finding {
    Finding::problem(failure.to_string(), failure.hint.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Level;

    #[test]
    fn what_is_asked_for_is_held_against_what_is_there() {
        assert_eq!(memory_finding(4 << 30, 8 << 30).level, Level::Ok);
        let short = memory_finding(4 << 30, 3 << 30);
        assert_eq!(short.level, Level::Warning);
        assert_eq!(short.what, "the new machines ask for 4.0 GiB of memory, and 3.0 GiB are free");
        assert_eq!(disk_finding(40 << 30, 10 << 30).level, Level::Warning);
    }
}
