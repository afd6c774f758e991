//! `[vagrant]`: virtual machines on this computer.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::format;

/// Virtual machines on this computer, made by Vagrant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct VagrantSection {
    /// The box that machines are made from.
    #[schemars(length(min = 1))]
    pub r#box: String,
    /// Version of the box; the newest if it is not given.
    #[schemars(length(min = 1), example = &"4.3.12")]
    pub box_version: Option<String>,
    /// Where the box is fetched from, if not from Vagrant's catalogue: a URL or a file.
    #[schemars(length(min = 1), example = &"boxes/debian12.box")]
    pub box_url: Option<String>,
    /// What runs the virtual machines.
    pub hypervisor: Hypervisor,
    /// How libvirt runs them: `kvm` by the processor, `qemu` in software, which is slow; without one, `kvm` where this
    /// computer can.
    pub driver: Option<Driver>,
    /// Where libvirt keeps their disks.
    #[schemars(length(min = 1))]
    pub storage_pool: String,
    /// Private network of the machines; without one, a free one is chosen.
    #[schemars(schema_with = "network")]
    pub network: Option<String>,
    /// How machines get their address in it.
    pub addresses: Addresses,
    /// Lines of Ruby for the end of the generated Vagrantfile, where `config` is Vagrant's configuration.
    #[schemars(length(min = 1), example = &"config.vm.provider(:libvirt) { |libvirt| libvirt.nested = true }")]
    pub extra: Option<String>,
}

/// How machines get their address in the private network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// Each has its own, by its name: `server-1` the eleventh, `agent-1` the hundred and first.
    Fixed,
    /// From the hypervisor's DHCP server.
    Dhcp,
}

/// What runs virtual machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Hypervisor {
    Libvirt,
    Virtualbox,
}

/// How libvirt runs virtual machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    Kvm,
    Qemu,
}

impl Default for VagrantSection {
    fn default() -> Self {
        Self {
            r#box: "generic/debian12".into(),
            box_version: None,
            box_url: None,
            hypervisor: Hypervisor::Libvirt,
            driver: None,
            storage_pool: "default".into(),
            network: None,
            addresses: Addresses::Fixed,
            extra: None,
        }
    }
}

fn network(_: &mut SchemaGenerator) -> Schema {
    format::NETWORK.schema()
}
