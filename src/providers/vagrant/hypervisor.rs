//! What runs virtual machines, asked directly: it knows what Vagrant forgot.

use std::{collections::BTreeMap, path::Path};

use async_trait::async_trait;
use ipnet::Ipv4Net;

use super::names::Names;
use crate::{failure::Failure, model::MachineState};

/// A virtual machine that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualMachine {
    /// As the hypervisor calls it.
    pub name: String,
    pub uuid: String,
    /// Never [`MachineState::Unreachable`].
    pub state: MachineState,
}

/// A program that runs virtual machines.
#[async_trait(?Send)]
pub trait Hypervisor {
    /// What Vagrant calls it.
    fn provider(&self) -> &'static str;

    /// Returns the cluster's virtual machines; changes nothing.
    ///
    /// # Errors
    /// When the hypervisor does not answer.
    async fn machines(&self, names: &Names) -> Result<Vec<VirtualMachine>, Failure>;

    /// Returns the bytes that are free where disks are kept; `None` when nobody knows.
    ///
    /// # Errors
    /// When disks cannot be kept there.
    async fn room(&self) -> Result<Option<u64>, Failure>;

    /// Returns the addresses of all its networks by name, of those that are switched off too, as far as it knows them.
    ///
    /// # Errors
    /// When the hypervisor does not answer.
    async fn networks(&self) -> Result<BTreeMap<String, Ipv4Net>, Failure>;

    /// Removes a machine and its disks, also a disk whose machine was never made. Returns whether there was anything.
    ///
    /// # Errors
    /// When the hypervisor does not do so.
    async fn remove(&self, name: &str) -> Result<bool, Failure>;

    /// Removes the disks of a machine that does not exist: an interrupted run made them.
    ///
    /// # Errors
    /// When the hypervisor does not do so.
    async fn remove_stray_disks(&self, name: &str) -> Result<(), Failure>;

    /// Removes images of a box that an interrupted run sent to the hypervisor in part: machines made from them never boot.
    /// `vagrant_home` is where Vagrant keeps boxes.
    ///
    /// # Errors
    /// When the hypervisor does not do so.
    async fn remove_broken_images(&self, from: &str, vagrant_home: &Path) -> Result<(), Failure>;

    /// Removes what is left of the cluster: machines and disks that an interrupted run made since they were listed, and
    /// networks. Returns whether there was anything.
    ///
    /// # Errors
    /// When the hypervisor does not do so.
    async fn remove_rest(&self, names: &Names) -> Result<bool, Failure>;

    /// Lists what is left of the cluster.
    ///
    /// # Errors
    /// When the hypervisor does not answer.
    async fn leftovers(&self, names: &Names) -> Result<Vec<String>, Failure>;
}
