//! Where machines come from.

pub mod ec2;
pub mod rehearsal;
pub mod ssh;
pub mod vagrant;

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use async_trait::async_trait;

use crate::{
    effects::host::Host,
    failure::Failure,
    model::{Done, Machine, MachineSpec, cost::Cost, finding::Finding},
};

/// Is told what a machine does that is not there yet.
pub type OnSeen<'a> = &'a dyn Fn(&str);

/// Makes, finds and removes the machines of one cluster. Everything is safe to repeat; all of it ends at a machine that
/// answers.
#[async_trait(?Send)]
pub trait Provider {
    /// Checks what the provider needs of this computer; changes nothing.
    async fn check(&self) -> Result<(), Failure>;

    /// Looks closer than [`Provider::check`], for somebody who asks: every finding has a fix.
    async fn look(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Makes ready what machines need around them.
    async fn prepare(&self) -> Result<Done<()>, Failure>;

    /// Returns the cluster's machines, as the outside world knows them.
    async fn list(&self) -> Result<Vec<Machine>, Failure>;

    /// Returns the cluster's machines as they are remembered or configured; nobody is asked.
    async fn known(&self) -> Result<Vec<Machine>, Failure> {
        self.list().await
    }

    /// Returns the id that what the cluster has out there carries, where it is decided there: another run may have given it.
    ///
    /// # Errors
    /// When what is remembered cannot be read.
    fn tagged_id(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    /// Has this machine, with power.
    async fn create(&self, spec: &MachineSpec, seen: OnSeen<'_>) -> Result<Done<Machine>, Failure>;

    /// Returns the machines that run and must be restarted to be as `specs` say, with why; [`Provider::create`] does it.
    ///
    /// # Errors
    /// When what is known of them cannot be read.
    fn to_restart(&self, _: &[MachineSpec]) -> Result<BTreeMap<String, String>, Failure> {
        Ok(BTreeMap::new())
    }

    /// Has the machine under power.
    async fn start(&self, machine: &Machine, seen: OnSeen<'_>) -> Result<Done<Machine>, Failure>;

    /// Checks that machines can be without power and come back.
    async fn may_stop(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Has the machine without power, its disk kept.
    async fn stop(&self, machine: &Machine) -> Result<Done<()>, Failure>;

    async fn destroy(&self, machine: &Machine) -> Result<Done<()>, Failure>;

    /// Forgets a machine that does not answer and will not come back: what is on it stays there.
    async fn give_up(&self, _: &Machine) -> Result<(), Failure> {
        Ok(())
    }

    /// Ends what was only needed while machines have power.
    async fn rest(&self) -> Result<Done<()>, Failure>;

    /// Removes what [`Provider::prepare`] made, once no machine is left.
    async fn clean_up(&self) -> Result<Done<()>, Failure>;

    /// Lists what is left of the cluster; empty after a complete `destroy`.
    async fn leftovers(&self) -> Result<Vec<String>, Failure>;

    /// Returns the machine to work on. Whether it answers shows at the first operation.
    fn host(&self, machine: &Machine) -> Rc<dyn Host + '_>;

    /// How long a machine may take until it answers.
    fn boots_within(&self) -> Duration;

    /// Returns the URL at which this computer reaches the Kubernetes API of a server.
    async fn api_url(&self, server: &Machine) -> Result<String, Failure>;

    /// Returns the address at which people reach what runs on a machine.
    fn outside_address(&self, machine: &Machine) -> String {
        machine.address.clone()
    }

    /// Returns a kubeconfig through which this computer reaches the API now, as long as this provider lives.
    async fn way_to_api(&self, kubeconfig: String) -> Result<String, Failure> {
        Ok(kubeconfig)
    }

    /// Opens a shell on a machine or runs a command there, on the streams of this process. Returns its exit status.
    async fn shell(&self, machine: &Machine, command: Option<&[String]>) -> Result<u8, Failure>;

    /// Returns the name that the API proves to have, where its address may change.
    fn api_name<'c>(&self, cluster: &'c str) -> Option<&'c str>;

    /// Returns when what the provider needs between [`Provider::prepare`] and [`Provider::rest`] is gone; never, where
    /// there is no such thing.
    async fn lost(&self) -> Failure {
        std::future::pending().await
    }

    /// Returns what these machines would cost, where they cost anything that is known.
    fn price(&self, _: &[MachineSpec]) -> Option<Cost> {
        None
    }

    /// Returns what the machines that were listed last cost, and have cost so far. `specs` are those that are wanted.
    fn cost(&self, _: &[MachineSpec]) -> Option<Cost> {
        None
    }

    /// What a user must know of clusters of this provider, if anything.
    fn caution(&self) -> Option<String>;
}
