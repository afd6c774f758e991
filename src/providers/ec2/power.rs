//! Instances that are switched off and on: their private addresses stay, their public ones change.

use std::rc::Rc;

use super::{Ec2Provider, make::is_down, record::Node};
use crate::{
    effects::{
        boots::{Batch, Results},
        ec2::{Instance, InstanceState},
    },
    failure::{EC2_SPOT_STOP, Failure},
    model::Machine,
};

impl Ec2Provider {
    /// Spot instances that are asked for once can end, and cannot be stopped.
    pub(super) async fn check_spot(&self) -> Result<(), Failure> {
        let there = self.observe().await?;
        let spot: Vec<_> = there.iter().filter(|node| node.instance.spot && !is_down(node)).collect();
        if spot.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = spot.iter().map(|node| format!("`{}`", node.name)).collect();
        Err(Failure::new(&EC2_SPOT_STOP, format!("{} cannot be stopped", names.join(", ")))
            .because("they are spot instances (`[ec2] spot = true`), which Amazon only ends")
            .hint("./orchestrator destroy"))
    }

    pub(super) async fn start_all(&self, batch: Rc<Batch>) -> Results {
        let started = async {
            let there = self.observe().await?;
            self.check_key(&there)?;
            let down: Vec<_> =
                there.into_iter().filter(|node| batch.contains_key(&node.name) && is_down(node)).collect();
            self.switch_on(&down, &batch).await
        };
        each(&batch, started.await)
    }

    /// Gives power to instances that have none, and waits until they have addresses.
    pub(super) async fn switch_on(&self, down: &[Node], batch: &Batch) -> Result<(), Failure> {
        let ids: Vec<_> = down.iter().map(|node| node.instance.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        // One that is stopping cannot be started yet.
        self.until(&ids, batch, |instance| instance.state != InstanceState::Stopping).await?;
        self.ec2.start(&ids).await.map_err(|error| error.failure("the cluster's instances cannot be started"))?;
        self.changed.borrow_mut().extend(down.iter().map(|node| node.name.clone()));
        let up = |instance: &Instance| instance.state == InstanceState::Running && self.address(instance).is_some();
        self.until(&ids, batch, up).await?;
        self.observe().await.map(drop)
    }

    pub(super) async fn stop_all(&self, batch: Rc<Batch>) -> Results {
        each(&batch, self.switch_off(&batch).await)
    }

    async fn switch_off(&self, batch: &Batch) -> Result<(), Failure> {
        let there = self.observe().await?;
        let ours = there.iter().filter(|node| batch.contains_key(&node.name));
        let ids: Vec<_> = ours
            .filter(|node| node.instance.state != InstanceState::Stopped)
            .map(|node| node.instance.id.clone())
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        // One that is pending cannot be stopped yet.
        self.until(&ids, batch, |instance| instance.state != InstanceState::Pending).await?;
        self.ec2.stop(&ids).await.map_err(|error| error.failure("the cluster's instances cannot be stopped"))?;
        self.until(&ids, batch, |instance| instance.state == InstanceState::Stopped).await?;
        self.observe().await.map(drop)
    }

    pub(super) fn node_called(&self, name: &str) -> Option<Node> {
        self.nodes.borrow().iter().find(|node| node.name == name).cloned()
    }

    pub(super) async fn node_of(&self, machine: &Machine) -> Result<Option<Node>, Failure> {
        if let Some(known) = self.node_called(&machine.name) {
            return Ok(Some(known));
        }
        Ok(self.observe().await?.into_iter().find(|node| node.name == machine.name))
    }
}

/// Returns one result as that of each machine of a batch.
pub(super) fn each(batch: &Batch, result: Result<(), Failure>) -> Results {
    batch.keys().map(|name| (name.clone(), result.clone())).collect()
}
