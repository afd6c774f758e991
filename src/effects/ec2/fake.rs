//! An account in memory, with what goes wrong at Amazon: replies that are lost after the call took effect, and instances
//! that are not to be seen at once.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use async_trait::async_trait;

use super::{
    AwsError, Caller, Ec2, Filter, Image, Instance, InstanceState, InstanceType, NewGroup, Order, Part, Rule,
    SecurityGroup, Subnet, Which, Why,
};
use crate::failure::Failure;

/// An account; its clones are the same one.
#[derive(Clone, Default)]
pub struct Account(Rc<Inside>);

#[derive(Default)]
pub struct Inside {
    pub instances: RefCell<Vec<Instance>>,
    pub groups: RefCell<Vec<SecurityGroup>>,
    pub orders: RefCell<Vec<Order>>,
    /// The names of all calls so far.
    pub calls: RefCell<Vec<&'static str>>,
    /// The reply to the call of this number, from 0, is lost, and nothing is answered after it.
    pub breaks_at: Cell<Option<usize>>,
    /// So many times a new instance is not to be seen, and those of a call one after the other.
    pub unseen: Cell<u32>,
    hidden: RefCell<BTreeMap<String, u32>>,
    /// Zones without capacity.
    pub full: RefCell<Vec<String>>,
    /// So many attempts to remove a group find something in it.
    pub held: Cell<u32>,
}

impl std::ops::Deref for Account {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.0
    }
}

impl Account {
    /// Returns the instances that are not gone.
    pub fn alive(&self) -> Vec<Instance> {
        self.instances.borrow().iter().filter(|instance| !instance.state.is_gone()).cloned().collect()
    }

    /// Counts a call; it is not answered when the connection broke before it.
    fn begin(&self, action: &'static str) -> Result<usize, AwsError> {
        let number = self.calls.borrow().len();
        self.calls.borrow_mut().push(action);
        match self.breaks_at.get() {
            Some(at) if number > at => Err(lost(action)),
            _ => Ok(number),
        }
    }

    /// Answers a call that took effect.
    fn end<T>(&self, action: &'static str, number: usize, answer: T) -> Result<T, AwsError> {
        if self.breaks_at.get() == Some(number) { Err(lost(action)) } else { Ok(answer) }
    }

    fn read<T>(&self, action: &'static str, look: impl FnOnce() -> T) -> Result<T, AwsError> {
        let number = self.begin(action)?;
        self.end(action, number, look())
    }

    fn set_state(&self, action: &'static str, ids: &[String], state: InstanceState) -> Result<(), AwsError> {
        let number = self.begin(action)?;
        let known = |id: &String| self.instances.borrow().iter().any(|instance| instance.id == *id);
        if let Some(unknown) = ids.iter().find(|id| !known(id)) {
            return Err(refused(action, "InvalidInstanceID.NotFound", unknown));
        }
        let mut instances = self.instances.borrow_mut();
        for (place, instance) in instances.iter_mut().enumerate().filter(|(_, one)| ids.contains(&one.id)) {
            instance.state = state;
            let up = state == InstanceState::Running;
            instance.public_address = up.then(|| format!("203.0.113.{}", 100 + number * 3 + place));
        }
        drop(instances);
        self.end(action, number, ())
    }

    /// Whether an instance is to be seen by now.
    fn is_seen(&self, id: &str) -> bool {
        let mut hidden = self.hidden.borrow_mut();
        match hidden.get_mut(id) {
            Some(0) | None => true,
            Some(times) => {
                *times -= 1;
                false
            }
        }
    }
}

fn lost(action: &'static str) -> AwsError {
    AwsError::new("ec2", action, Why::NoAnswer("the reply was lost".into()))
}

fn refused(action: &'static str, code: &str, message: &str) -> AwsError {
    let (code, message) = (code.to_owned(), message.to_owned());
    AwsError::new("ec2", action, Why::Refused { code, message, request_id: None, status: 400 })
}

fn fits(filters: &[Filter], tags: &super::Tags, state: &str) -> bool {
    filters.iter().all(|filter| match filter.name.strip_prefix("tag:") {
        Some(key) => tags.get(key).is_some_and(|value| filter.values.contains(value)),
        None if filter.name == "instance-state-name" => filter.values.iter().any(|value| value == state),
        None => true,
    })
}

fn word(state: InstanceState) -> String {
    serde_json::to_value(state).expect("a state is JSON").as_str().unwrap_or_default().to_owned()
}

#[async_trait(?Send)]
impl Ec2 for Account {
    async fn region(&self) -> Result<String, Failure> {
        Ok("eu-west-3".into())
    }

    fn elsewhere(&self, _: &str) -> Box<dyn Ec2> {
        Box::new(self.clone())
    }

    async fn caller(&self) -> Result<Caller, AwsError> {
        let arn = "arn:aws:iam::123456789012:user/ann".into();
        self.read("GetCallerIdentity", || Caller { account: "123456789012".into(), arn })
    }

    async fn regions(&self) -> Result<Vec<String>, AwsError> {
        self.read("DescribeRegions", || vec!["eu-west-3".into()])
    }

    async fn parameter(&self, _: &str) -> Result<String, AwsError> {
        self.read("GetParameter", || "ami-1".into())
    }

    async fn instance_type(&self, name: &str) -> Result<Option<InstanceType>, AwsError> {
        let architectures = vec!["x86_64".to_owned()];
        let found = InstanceType { name: name.into(), architectures, cpus: 2, memory_mib: 4096, bursts: true };
        self.read("DescribeInstanceTypes", || Some(found))
    }

    async fn image(&self, id: &str) -> Result<Option<Image>, AwsError> {
        let (name, architecture, root_device) = ("ubuntu".into(), "x86_64".into(), "/dev/sda1".into());
        let image = Image { id: id.into(), name, architecture, root_device, disk_gib: Some(8) };
        self.read("DescribeImages", || Some(image))
    }

    async fn subnets(&self, _: &[Filter]) -> Result<Vec<Subnet>, AwsError> {
        let subnet = |zone: &str| Subnet {
            id: format!("subnet-{zone}"),
            vpc: "vpc-1".into(),
            zone: format!("eu-west-3{zone}"),
            cidr: "172.31.0.0/20".into(),
        };
        self.read("DescribeSubnets", || vec![subnet("a"), subnet("b")])
    }

    async fn groups(&self, filters: &[Filter]) -> Result<Vec<SecurityGroup>, AwsError> {
        let groups = self.groups.borrow().clone().into_iter();
        self.read("DescribeSecurityGroups", || groups.filter(|group| fits(filters, &group.tags, "")).collect())
    }

    async fn create_group(&self, new: &NewGroup) -> Result<String, AwsError> {
        let action = "CreateSecurityGroup";
        let number = self.begin(action)?;
        if self.groups.borrow().iter().any(|group| group.name == new.name) {
            return Err(refused(action, "InvalidGroup.Duplicate", &new.name));
        }
        let id = format!("sg-{number}");
        self.groups.borrow_mut().push(SecurityGroup {
            id: id.clone(),
            name: new.name.clone(),
            vpc: new.vpc.clone(),
            tags: new.tags.clone(),
            rules: Vec::new(),
        });
        self.end(action, number, id)
    }

    async fn authorize(&self, group: &str, rules: &[Rule]) -> Result<(), AwsError> {
        let action = "AuthorizeSecurityGroupIngress";
        let number = self.begin(action)?;
        for known in self.groups.borrow_mut().iter_mut().filter(|known| known.id == group) {
            known.rules.extend(rules.iter().cloned());
            known.rules.sort();
            known.rules.dedup();
        }
        self.end(action, number, ())
    }

    async fn revoke(&self, group: &str, rules: &[Rule]) -> Result<(), AwsError> {
        let action = "RevokeSecurityGroupIngress";
        let number = self.begin(action)?;
        for known in self.groups.borrow_mut().iter_mut().filter(|known| known.id == group) {
            known.rules.retain(|rule| !rules.contains(rule));
        }
        self.end(action, number, ())
    }

    async fn delete_group(&self, id: &str) -> Result<(), AwsError> {
        let action = "DeleteSecurityGroup";
        let number = self.begin(action)?;
        if self.held.get() > 0 {
            self.held.set(self.held.get() - 1);
            return Err(refused(action, "DependencyViolation", id));
        }
        self.groups.borrow_mut().retain(|group| group.id != id);
        self.end(action, number, ())
    }

    async fn run(&self, order: &Order) -> Result<Vec<Instance>, AwsError> {
        let action = "RunInstances";
        let number = self.begin(action)?;
        if self.full.borrow().contains(&order.subnet) {
            return Err(refused(action, "InsufficientInstanceCapacity", "none left"));
        }
        let same = |known: &Order| known.token == order.token;
        if let Some(known) = self.orders.borrow().iter().find(|known| same(known)) {
            if known != order {
                return Err(refused(action, "IdempotentParameterMismatch", &order.token));
            }
            let instances = self.instances.borrow();
            let made = instances.iter().filter(|instance| instance.token == order.token).cloned().collect();
            return self.end(action, number, made);
        }
        self.orders.borrow_mut().push(order.clone());
        let made: Vec<_> = (0..order.count)
            .map(|place| Instance {
                launch_index: place,
                token: order.token.clone(),
                kind: order.kind.clone(),
                spot: order.spot,
                tags: order.tags.clone(),
                ..Instance::example(&format!("i-{number:04}{place:04}"))
            })
            .collect();
        let late = |instance: &Instance| self.unseen.get() * (instance.launch_index as u32 + 1);
        let unseen = made.iter().map(|instance| (instance.id.clone(), late(instance)));
        self.hidden.borrow_mut().extend(unseen);
        self.instances.borrow_mut().extend(made.clone());
        self.end(action, number, made)
    }

    async fn try_run(&self, _: &Order) -> Result<(), AwsError> {
        self.read("RunInstances", || ())
    }

    async fn instances(&self, which: &Which) -> Result<Vec<Instance>, AwsError> {
        let action = "DescribeInstances";
        let number = self.begin(action)?;
        let all = self.instances.borrow().clone();
        let seen: Vec<_> = all.into_iter().filter(|instance| self.is_seen(&instance.id)).collect();
        let found = match which {
            Which::Like(filters) => seen.into_iter().filter(|one| fits(filters, &one.tags, &word(one.state))).collect(),
            Which::Ids(ids) => {
                let missing: Vec<_> = ids.iter().filter(|id| seen.iter().all(|one| one.id != **id)).cloned().collect();
                if !missing.is_empty() {
                    return Err(refused(action, "InvalidInstanceID.NotFound", &missing.join(", ")));
                }
                seen.into_iter().filter(|one| ids.contains(&one.id)).collect()
            }
        };
        self.end(action, number, found)
    }

    async fn start(&self, ids: &[String]) -> Result<(), AwsError> {
        self.set_state("StartInstances", ids, InstanceState::Running)
    }

    async fn stop(&self, ids: &[String]) -> Result<(), AwsError> {
        self.set_state("StopInstances", ids, InstanceState::Stopped)
    }

    async fn terminate(&self, ids: &[String]) -> Result<(), AwsError> {
        self.set_state("TerminateInstances", ids, InstanceState::Terminated)
    }

    async fn volumes(&self, _: &[Filter]) -> Result<Vec<Part>, AwsError> {
        self.read("DescribeVolumes", Vec::new)
    }

    async fn delete_volume(&self, _: &str) -> Result<(), AwsError> {
        self.read("DeleteVolume", || ())
    }

    async fn interfaces(&self, _: &[Filter]) -> Result<Vec<Part>, AwsError> {
        self.read("DescribeNetworkInterfaces", Vec::new)
    }

    async fn delete_interface(&self, _: &str) -> Result<(), AwsError> {
        self.read("DeleteNetworkInterface", || ())
    }
}
