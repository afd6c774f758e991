//! What the Vagrantfile is told: it is the same for every cluster, and reads this.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ipnet::Ipv4Net;
use serde::Serialize;

use super::{names::Names, networks, record::Remembered};
use crate::{
    config::{Addresses, Driver, Hypervisor, VagrantSection},
    effects::state_directory::write_private,
    model::{MachineSpec, Role},
};

const VAGRANTFILE: &str = include_str!("../../../provision/vagrant/Vagrantfile");
const TRUST: &str = include_str!("../../../provision/vagrant/trust.sh");
/// How long Vagrant waits for a machine's SSH server once it has an address, in seconds.
const BOOT: u32 = 300;

/// The document beside the Vagrantfile.
#[derive(Debug, Serialize)]
pub struct Settings<'a> {
    prefix: &'a str,
    description: String,
    #[serde(rename = "box")]
    from: &'a str,
    box_version: Option<&'a str>,
    box_url: Option<String>,
    boot_timeout: u32,
    hypervisor: Hypervisor,
    driver: Driver,
    storage_pool: &'a str,
    private_key: PathBuf,
    public_key: &'a str,
    network: Network<'a>,
    management: Network<'a>,
    machines: Vec<Machine<'a>>,
    extra: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Network<'a> {
    name: &'a str,
    address: String,
    netmask: String,
}

#[derive(Debug, Serialize)]
struct Machine<'a> {
    name: &'a str,
    cpus: u32,
    memory_mib: u64,
    disk_gib: u64,
    /// `None` when DHCP gives it one.
    address: Option<String>,
}

/// What the settings are made of.
pub struct Made<'a> {
    pub section: &'a VagrantSection,
    /// Relative paths of the configuration begin there.
    pub base: &'a Path,
    pub names: &'a Names,
    pub driver: Driver,
    /// `id_ed25519` and its public half.
    pub key: (&'a Path, &'a str),
    pub network: Ipv4Net,
    pub management: Ipv4Net,
    pub wanted: &'a [MachineSpec],
    pub remembered: &'a Remembered,
}

impl<'a> Settings<'a> {
    /// The settings for the machines that are wanted, and those that are there still.
    pub fn new(made: &'a Made<'a>) -> Self {
        let section = made.section;
        let gone = made.remembered.machines.values().map(|known| &known.spec);
        let gone = gone.filter(|spec| made.wanted.iter().all(|wanted| wanted.name != spec.name));
        let network =
            |name, net: Ipv4Net| Network { name, address: net.to_string(), netmask: net.netmask().to_string() };
        Self {
            prefix: &made.names.prefix,
            description: format!("made by orchestrator for {}", made.base.display()),
            from: &section.r#box,
            box_version: section.box_version.as_deref(),
            box_url: section.box_url.as_ref().map(|url| located(url, made.base)),
            boot_timeout: BOOT,
            hypervisor: section.hypervisor,
            driver: made.driver,
            storage_pool: &section.storage_pool,
            private_key: made.key.0.to_owned(),
            public_key: made.key.1,
            network: Network {
                address: made.network.network().to_string(),
                ..network(&made.names.network, made.network)
            },
            management: network(&made.names.management, made.management),
            machines: made.wanted.iter().chain(gone).map(|spec| machine(spec, made)).collect(),
            extra: section.extra.as_deref(),
        }
    }

    /// Writes the Vagrantfile and what it reads into `folder`, as far as they are not there like this.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<bool> {
        let text = serde_json::to_string_pretty(self).expect("settings are JSON");
        let mut changed = false;
        for (name, text) in [("Vagrantfile", VAGRANTFILE), ("trust.sh", TRUST), ("settings.json", &text)] {
            let path = folder.join(name);
            if fs::read_to_string(&path).is_ok_and(|known| known == text) {
                continue;
            }
            write_private(&path, text)?;
            changed = true;
        }
        Ok(changed)
    }
}

fn machine<'a>(spec: &'a MachineSpec, made: &Made<'_>) -> Machine<'a> {
    let fixed = made.section.addresses == Addresses::Fixed;
    Machine {
        name: &spec.name,
        cpus: spec.cpus,
        memory_mib: spec.memory >> 20,
        disk_gib: spec.disk.div_ceil(1 << 30),
        address: fixed.then(|| fixed_address(spec, made.network)),
    }
}

/// Returns the address of a machine that has a fixed one.
pub fn fixed_address(spec: &MachineSpec, network: Ipv4Net) -> String {
    networks::address(network, spec.role, number(&spec.name)).to_string()
}

/// Returns the number that a machine's name ends with.
fn number(name: &str) -> u32 {
    name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(1)
}

/// Returns what a machine of this name is in the cluster, for one that is no longer configured and was forgotten.
pub fn role(name: &str) -> Role {
    let mut words = name.rsplit('-');
    if words.nth(1) == Some(Role::Server.name()) { Role::Server } else { Role::Agent }
}

/// A URL as it is, a file with its whole path.
fn located(url: &str, base: &Path) -> String {
    if url.contains("://") { url.into() } else { base.join(url).display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, role: Role) -> MachineSpec {
        MachineSpec { name: name.into(), role, cpus: 2, memory: 2 << 30, disk: 20 << 30 }
    }

    fn settings(section: &VagrantSection, remembered: &Remembered) -> serde_json::Value {
        let names = Names::beginning("0a1b2c-".into(), "shop");
        let wanted = [spec("shop-server-1", Role::Server), spec("shop-agent-1", Role::Agent)];
        let made = Made {
            section,
            base: Path::new("/home/ann/shop"),
            names: &names,
            driver: Driver::Kvm,
            key: (Path::new("/home/ann/shop/.orchestrator/shop/id_ed25519"), "ssh-ed25519 AAAA shop"),
            network: "192.168.56.0/24".parse().unwrap(),
            management: "192.168.121.0/24".parse().unwrap(),
            wanted: &wanted,
            remembered,
        };
        serde_json::to_value(Settings::new(&made)).unwrap()
    }

    #[test]
    fn what_the_vagrantfile_is_told() {
        insta::assert_json_snapshot!(settings(&VagrantSection::default(), &Remembered::default()));
    }

    #[test]
    fn boxes_are_files_beside_the_configuration_or_urls() {
        let section = |url: &str| VagrantSection { box_url: Some(url.into()), ..VagrantSection::default() };
        let at = |url: &str| settings(&section(url), &Remembered::default())["box_url"].clone();
        assert_eq!(at("boxes/debian12.box"), "/home/ann/shop/boxes/debian12.box");
        assert_eq!(at("https://example.org/x.box"), "https://example.org/x.box");
    }

    #[test]
    fn machines_that_are_no_longer_wanted_stay_known_to_vagrant_until_they_are_gone() {
        let known = super::super::record::Known::begun(spec("shop-agent-2", Role::Agent));
        let remembered = Remembered { machines: [("shop-agent-2".to_owned(), known)].into(), ..Remembered::default() };
        let settings =
            settings(&VagrantSection { addresses: Addresses::Dhcp, ..VagrantSection::default() }, &remembered);
        let machines = settings["machines"].as_array().unwrap();
        assert_eq!(machines.len(), 3);
        assert_eq!(machines[2]["name"], "shop-agent-2");
        assert!(machines.iter().all(|machine| machine["address"].is_null()));
    }

    #[test]
    fn files_that_are_right_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::new("shop", folder.path());
        let section = VagrantSection::default();
        let remembered = Remembered::default();
        let mut made = Made {
            section: &section,
            base: folder.path(),
            names: &names,
            driver: Driver::Qemu,
            key: (folder.path(), ""),
            network: "192.168.56.0/24".parse().unwrap(),
            management: "192.168.121.0/24".parse().unwrap(),
            wanted: &[],
            remembered: &remembered,
        };
        assert!(Settings::new(&made).write(folder.path()).unwrap());
        assert!(!Settings::new(&made).write(folder.path()).unwrap());
        made.driver = Driver::Kvm;
        assert!(Settings::new(&made).write(folder.path()).unwrap());
    }

    #[test]
    fn roles_are_read_from_names() {
        assert_eq!(role("a-server-b-agent-2"), Role::Agent);
        assert_eq!(role("shop-server-1"), Role::Server);
    }
}
