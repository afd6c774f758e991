//! From machines that are wanted to instances that run: one call for all of a role, written down before it is made.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::{
    Ec2Provider,
    instances::now,
    record::{Intent, Made, Node},
    tags::number,
    user_data::user_data,
};
use crate::{
    config::ReachedBy,
    effects::{
        boots::{Batch, Results},
        ec2::{AwsError, Image, Instance, InstanceState, InstanceType, Order, Subnet},
    },
    failure::{EC2_KEY_MISSING, Failure},
    model::{MachineSpec, Role, hex::hex},
};

/// An intent that is older than this is not repeated: Amazon may have forgotten its token.
const REMEMBERED: i64 = 24 * 3600;

impl Ec2Provider {
    /// Has all of a batch of machines run.
    pub(super) async fn make_all(&self, batch: Rc<Batch>) -> Results {
        let specs: Vec<_> = batch.keys().filter_map(|name| self.asked.borrow_mut().remove(name)).collect();
        let made = self.make(&specs, &batch).await;
        batch.keys().map(|name| (name.clone(), made.clone())).collect()
    }

    async fn make(&self, specs: &[MachineSpec], batch: &Batch) -> Result<(), Failure> {
        let mut there = self.observe().await?;
        if self.finish_intents(&there).await? {
            there = self.observe().await?;
        }
        self.check_key(&there)?;
        let found = |spec: &&MachineSpec| there.iter().find(|node| node.name == spec.name);
        let stopped: Vec<_> =
            specs.iter().filter_map(|spec| found(&spec)).filter(|node| is_down(node)).cloned().collect();
        let missing: Vec<_> = specs.iter().filter(|spec| found(spec).is_none()).collect();
        for role in [Role::Server, Role::Agent] {
            let of_role: Vec<_> = missing.iter().copied().filter(|spec| spec.role == role).collect();
            if !of_role.is_empty() {
                self.order(role, &of_role).await?; // `[machine]` gives a role one size of disk
            }
        }
        if !stopped.is_empty() {
            self.switch_on(&stopped, batch).await?;
        }
        self.await_running(specs, batch).await
    }

    /// Waits until the machines of `specs` have power and addresses.
    async fn await_running(&self, specs: &[MachineSpec], batch: &Batch) -> Result<(), Failure> {
        let there = self.observe().await?;
        let ours = there.iter().filter(|node| specs.iter().any(|spec| spec.name == node.name));
        let up = |instance: &Instance| instance.state == InstanceState::Running && self.address(instance).is_some();
        let late: Vec<_> = ours.filter(|node| !up(&node.instance)).map(|node| node.instance.id.clone()).collect();
        if !late.is_empty() {
            self.until(&late, batch, up).await?;
            self.observe().await?;
        }
        Ok(())
    }

    /// Machines that are there and cannot be entered are of no use.
    pub(super) fn check_key(&self, there: &[Node]) -> Result<(), Failure> {
        if there.is_empty() || self.key().read().is_some() {
            return Ok(());
        }
        let what = format!("the key that opens the machines of `{}` is not on this computer", self.cluster);
        Err(Failure::new(&EC2_KEY_MISSING, what)
            .because("the cluster was made on another one, or its state directory and the key's copy were lost")
            .hint(format!(
                "copy {} from there, or name it in ORCHESTRATOR_EC2_KEY; or: ./orchestrator destroy",
                self.key().path().display()
            )))
    }

    /// Brings calls to their end that an interrupted run began. Returns whether there were any.
    async fn finish_intents(&self, there: &[Node]) -> Result<bool, Failure> {
        let intents = self.record.decided()?.intents;
        for intent in &intents {
            let heard = there.iter().filter(|node| node.instance.token == intent.order.token);
            let heard: Vec<_> = heard.map(|node| node.instance.clone()).collect();
            // Of some that are seen the others may not be seen yet: the call itself says which there are.
            if heard.len() == intent.order.count || now() - intent.at > REMEMBERED {
                self.remember(intent, &heard)?;
            } else {
                self.call(intent).await?;
            }
        }
        Ok(!intents.is_empty())
    }

    /// Has instances for these machines, in the first zone that has them.
    async fn order(&self, role: Role, specs: &[&MachineSpec]) -> Result<(), Failure> {
        let kind = self.instance_type().await?;
        let image = self.image(&kind).await?;
        let subnets = self.subnets().await?;
        let mut last = None;
        for subnet in &subnets {
            let intent = self.intent(role, specs, &kind, &image, subnet).await?;
            self.record.decide(|decided| decided.intents.push(intent.clone()))?;
            match self.call(&intent).await {
                Err(failure) if self.out_of_capacity.take() && subnets.len() > 1 => last = Some(failure),
                Ok(()) => {
                    self.record.decide(|decided| decided.subnet = Some(subnet.clone()))?;
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(last.expect("there is a subnet"))
    }

    /// Makes the call of an intent. What Amazon refuses was not done, and is forgotten.
    async fn call(&self, intent: &Intent) -> Result<(), Failure> {
        // A group that was made a moment ago may not be known yet where instances are made.
        let made = self.once_seen(async || self.ec2.run(&intent.order).await).await;
        match made {
            Ok(instances) => self.remember(intent, &instances),
            Err(error) => {
                if error.code().is_empty() || error.passes() {
                    // It may have been done all the same: the next run asks again.
                    return Err(self.not_made(intent, &error));
                }
                self.forget(intent)?;
                self.out_of_capacity.set(error.is_of_the_zone());
                Err(self.not_made(intent, &error))
            }
        }
    }

    fn not_made(&self, intent: &Intent, error: &AwsError) -> Failure {
        let order = &intent.order;
        let what =
            format!("{} of type {} cannot be made in {}", counted(order.count, intent.role), order.kind, order.subnet);
        error.failure(what)
    }

    fn remember(&self, intent: &Intent, instances: &[Instance]) -> Result<(), Failure> {
        let at = now();
        self.record.decide(|decided| {
            for instance in instances.iter().filter(|instance| !instance.state.is_gone()) {
                let Some(machine) = intent.machines.get(instance.launch_index) else { continue };
                let made = Made { machine: machine.clone(), at, own_key: false };
                decided.made.entry(instance.id.clone()).or_insert(made);
            }
            decided.intents.retain(|known| known.order.token != intent.order.token);
        })?;
        self.changed.borrow_mut().extend(intent.machines.iter().cloned());
        Ok(())
    }

    fn forget(&self, intent: &Intent) -> Result<(), Failure> {
        self.record.decide(|decided| decided.intents.retain(|known| known.order.token != intent.order.token))
    }

    async fn intent(
        &self,
        role: Role,
        specs: &[&MachineSpec],
        kind: &InstanceType,
        image: &Image,
        subnet: &Subnet,
    ) -> Result<Intent, Failure> {
        let mut specs = specs.to_vec();
        specs.sort_by_key(|spec| number(&spec.name));
        let numbers: Vec<_> = specs.iter().filter_map(|spec| number(&spec.name)).collect();
        let owned = self.ownership().await?;
        let token = token(&owned.id, role, &numbers, &uuid::Uuid::new_v4().to_string());
        let login = self.key().prepare(&format!("orchestrator {}", self.cluster))?;
        let key = self.key().read().expect("it was prepared");
        let expires = owned.expires.as_ref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let least = image.disk_gib.unwrap_or(1);
        let spot = self.section.spot && role == Role::Agent;
        let order = Order {
            count: specs.len(),
            image: image.id.clone(),
            kind: kind.name.clone(),
            subnet: subnet.id.clone(),
            group: self.group_id().await?,
            public_address: self.section.address == ReachedBy::Public,
            root_device: image.root_device.clone(),
            disk_gib: specs[0].disk.div_ceil(1 << 30).max(least),
            user_data: user_data(&login, &key.derive(&boot_label(&token)), expires.map(jiff::Timestamp::as_second)),
            tags: owned.tags_of(role, &numbers),
            spot,
            ends_at_shutdown: expires.is_some() || spot, // one that was asked for once cannot be stopped
            bursts: kind.bursts,
            token,
        };
        Ok(Intent { role, machines: specs.iter().map(|spec| spec.name.clone()).collect(), order, at: now() })
    }
}

/// What the host key of a call's instances is derived from, until each has its own.
pub(super) fn boot_label(token: &str) -> String {
    format!("first host key of {token}")
}

/// Whether a machine has no power, or is about to lose it.
pub(super) fn is_down(node: &Node) -> bool {
    matches!(node.instance.state, InstanceState::Stopped | InstanceState::Stopping)
}

/// Returns the token of a call: the same for the same intent, another one for every other.
fn token(id: &str, role: Role, numbers: &[u32], generation: &str) -> String {
    let mut hash = Sha256::new();
    for part in [id, role.name(), &format!("{numbers:?}"), generation] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..24])
}

fn counted(count: usize, role: Role) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {}{plural}", role.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_call_alone() {
        let one = token("id", Role::Agent, &[1, 2], "g");
        assert_eq!(one, token("id", Role::Agent, &[1, 2], "g"));
        assert!(one.len() <= 64 && one.is_ascii());
        for other in [
            token("id", Role::Server, &[1, 2], "g"),
            token("id", Role::Agent, &[1], "g"),
            token("id", Role::Agent, &[1, 2], "h"),
        ] {
            assert_ne!(one, other);
        }
    }
}
