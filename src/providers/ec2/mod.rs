//! Instances at Amazon.

#[cfg(test)]
mod faults;
pub mod garbage;
mod group;
mod instances;
mod look;
mod make;
mod place;
mod power;
mod prices;
mod record;
mod removal;
mod tags;
mod trust;
mod user_data;

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    rc::Rc,
    time::Duration,
};

use async_trait::async_trait;

use super::{OnSeen, Provider};
use crate::{
    config::Ec2Section,
    effects::{
        boots::Boots,
        computer::variable,
        ec2::{Account, Client, Ec2, InstanceState, Patience},
        host::Host,
        machines_key::MachinesKey,
        remote_host::RemoteHost,
        ssh::KeyPair,
        state_directory::StateDirectory,
    },
    failure::{BUG, EC2_KEY_MISSING, Failure, MACHINE_NOT_CREATED, NO_CLUSTER, PROVIDER_FIXED},
    model::{API_PORT, Done, Machine, MachineSpec, MachineState, cost::Cost, finding::Finding},
};
use record::{Node, Record};
use tags::Ownership;

/// The first login has waited for SSH already; what is left is cloud-init.
const BOOT: Duration = Duration::from_secs(300);
/// Says which cluster is meant where several have its name.
const CHOSEN_ID: &str = "ORCHESTRATOR_CLUSTER_ID";
/// Names a file with a key for the machines, where none is kept between runs.
const GIVEN_KEY: &str = "ORCHESTRATOR_EC2_KEY";

/// How often things are asked for, and for how long they may not be seen.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two looks at instances that change their state, at first.
    pub poll: Duration,
    /// Between two attempts to log in to an instance that boots.
    pub knock: Duration,
    /// What Amazon was told and does not show by then was not told.
    pub unseen: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let [poll, knock] = [500, 1000].map(Duration::from_millis);
        Self { poll, knock, unseen: Duration::from_secs(60) }
    }
}

/// The instances of one cluster, and what is around them.
pub struct Ec2Provider {
    cluster: String,
    section: Ec2Section,
    directory: StateDirectory,
    /// The state directory, absolute.
    place: PathBuf,
    record: Record,
    /// Where a copy of the key is kept.
    data: Option<PathBuf>,
    ec2: Box<dyn Ec2>,
    pace: Pace,
    chosen_id: Option<String>,
    /// The file of the user's own key for the machines.
    given_key: Option<PathBuf>,
    /// The id that what is there carries, once it was looked for.
    found_id: OnceCell<Option<String>>,
    /// Clusters of this name that somebody else made, with who did, where this user has none.
    others: RefCell<BTreeMap<String, Option<String>>>,
    owner: OnceCell<String>,
    /// The security group, once it is there.
    group: RefCell<Option<String>>,
    /// As last seen.
    nodes: RefCell<Vec<Node>>,
    /// By instance and address.
    hosts: RefCell<BTreeMap<(String, String), Rc<RemoteHost>>>,
    asked: RefCell<BTreeMap<String, MachineSpec>>,
    /// Machines that this run made or started.
    changed: RefCell<BTreeSet<String>>,
    out_of_capacity: Cell<bool>,
    creates: Boots,
    starts: Boots,
    stops: Boots,
    ends: Boots,
}

impl Ec2Provider {
    /// The instances of `cluster`, as Amazon has them. Nobody is asked yet.
    ///
    /// # Errors
    /// When what is remembered of them cannot be read.
    pub fn new(
        cluster: &str,
        directory: StateDirectory,
        section: Ec2Section,
        data: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let region = Record::new(directory.path().join("ec2")).decided()?.region.or_else(|| section.region.clone());
        let client = Client::new(Account::new(region, section.profile.clone()), Patience::default());
        Ok(Self::with(cluster, directory, section, data, Box::new(client), Pace::default()))
    }

    /// The instances of `cluster`, as `ec2` has them. A copy of their key is kept under `data`.
    pub fn with(
        cluster: &str,
        directory: StateDirectory,
        section: Ec2Section,
        data: Option<PathBuf>,
        ec2: Box<dyn Ec2>,
        pace: Pace,
    ) -> Self {
        let place = std::path::absolute(directory.path()).unwrap_or_else(|_| directory.path().to_owned());
        Self {
            cluster: cluster.into(),
            section,
            record: Record::new(place.join("ec2")),
            place,
            data,
            directory,
            ec2,
            pace,
            chosen_id: variable(CHOSEN_ID),
            given_key: variable(GIVEN_KEY).map(PathBuf::from),
            found_id: OnceCell::new(),
            others: RefCell::default(),
            owner: OnceCell::new(),
            group: RefCell::default(),
            nodes: RefCell::default(),
            hosts: RefCell::default(),
            asked: RefCell::default(),
            changed: RefCell::default(),
            out_of_capacity: Cell::default(),
            creates: Boots::default(),
            starts: Boots::default(),
            stops: Boots::default(),
            ends: Boots::default(),
        }
    }

    /// What is there of the cluster of this id, to be removed: nothing is remembered of it.
    fn of_id(id: &str, cluster: &str, ec2: Box<dyn Ec2>, data: Option<PathBuf>) -> Self {
        let nowhere = StateDirectory::new(&PathBuf::from("/nonexistent"), cluster);
        let provider = Self::with(cluster, nowhere, Ec2Section::default(), data, ec2, Pace::default());
        Self { chosen_id: Some(id.into()), ..provider }
    }

    /// The key that opens the machines. Its copy is called by the cluster's id, as soon as there is one.
    fn key(&self) -> MachinesKey {
        let decided = self.record.decided().ok().and_then(|decided| decided.id);
        let id = decided.or_else(|| self.found_id.get().cloned().flatten()).or_else(|| self.given_id().ok().flatten());
        let data = self.data.clone().filter(|_| id.is_some());
        MachinesKey::new(&self.place, data, &format!("ec2-{}", id.unwrap_or_default())).or_given(self.given_key.clone())
    }

    /// Checks the key that the user gives.
    fn check_given_key(&self) -> Result<(), Failure> {
        let Some(path) = &self.given_key else { return Ok(()) };
        let refuse = |because: &dyn std::fmt::Display| {
            Failure::new(
                &EC2_KEY_MISSING,
                format!("the key in {}, which ${GIVEN_KEY} names, cannot be used", path.display()),
            )
            .because(because)
            .hint("ssh-keygen -t ed25519 -N \"\" -f key")
        };
        let text = fs::read_to_string(path).map_err(|error| refuse(&error))?;
        match KeyPair::parse(&text) {
            Some(_) => Ok(()),
            None => Err(refuse(&"it is no ed25519 key in OpenSSH's format, or it has a passphrase")),
        }
    }

    /// Returns who the account says the user is, without the name of a session, which differs each time.
    async fn owner(&self) -> Result<String, Failure> {
        if let Some(known) = self.owner.get() {
            return Ok(known.clone());
        }
        let caller = self.ec2.caller().await;
        let caller = caller.map_err(|error| error.failure("AWS does not know who this is"))?;
        let owner = owner_of(&caller.arn);
        let _ = self.owner.set(owner.clone());
        Ok(owner)
    }

    /// Returns what everything that is made from now on carries, and has it remembered before.
    async fn ownership(&self) -> Result<Ownership, Failure> {
        let none = || Failure::new(&BUG, format!("cluster `{}` has no id", self.cluster));
        let id = self.cluster_id().await?.ok_or_else(none)?;
        let owner = match self.record.decided()?.owner {
            Some(owner) => owner,
            None => self.owner().await?,
        };
        let region = self.ec2.region().await?;
        let ttl = self.section.ttl.map(|ttl| ttl.0);
        self.record.decide(|decided| {
            let passed =
                |time: &String| time.parse::<jiff::Timestamp>().is_ok_and(|time| time <= jiff::Timestamp::now());
            if decided.expires.as_ref().is_none_or(passed) {
                decided.expires = ttl.map(after);
            }
            decided.id = Some(id.clone());
            decided.owner = Some(owner.clone());
            decided.region = Some(region);
            let (cluster, expires) = (self.cluster.clone(), decided.expires.clone());
            Ownership { id, cluster, owner, expires, made: after(Duration::ZERO) }
        })
    }

    async fn group_id(&self) -> Result<String, Failure> {
        if self.group.borrow().is_none() {
            self.have_group(self.groups().await?).await?;
        }
        Ok(self.group.borrow().clone().expect("it was made"))
    }

    fn machine(&self, node: &Node) -> Machine {
        let state = match node.instance.state {
            InstanceState::Pending | InstanceState::Running => MachineState::Running,
            _ => MachineState::Stopped,
        };
        let address = node.instance.private_address.clone().unwrap_or_default();
        Machine { name: node.name.clone(), role: node.role, state, address }
    }

    /// Returns a machine that was made or started, once it lets somebody in.
    async fn ready(&self, name: &str, seen: OnSeen<'_>) -> Result<Done<Machine>, Failure> {
        let missing = || Failure::new(&MACHINE_NOT_CREATED, format!("machine `{name}` is not there after it was made"));
        let node = self.node_called(name).ok_or_else(|| missing().hint("./orchestrator create"))?;
        let trusted = self.trust(&node, seen).await?;
        let changed = self.changed.borrow_mut().remove(name);
        Ok(Done::when(trusted || changed, self.machine(&node)))
    }

    /// Returns a machine as it was last seen, by this run or by an earlier one.
    fn remembered(&self, machine: &Machine) -> Option<Node> {
        let earlier = || self.record.seen().ok()?.into_iter().find(|node| node.name == machine.name);
        self.node_called(&machine.name).or_else(earlier)
    }
}

/// Returns the time that it is after this one, RFC 3339.
fn after(duration: Duration) -> String {
    let time = jiff::Timestamp::now() + duration;
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// Returns `user/ann` for `arn:aws:iam::123456789012:user/ann`, `assumed-role/ci` for whatever session of that role.
fn owner_of(arn: &str) -> String {
    let name = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let parts: Vec<_> = name.split('/').collect();
    match parts[..] {
        ["assumed-role", role, ..] => format!("assumed-role/{role}"),
        _ => name.to_owned(),
    }
}

#[async_trait(?Send)]
impl Provider for Ec2Provider {
    async fn check(&self) -> Result<(), Failure> {
        self.check_given_key()?;
        let region = self.ec2.region().await?;
        let configured = self.section.region.clone().unwrap_or_else(|| region.clone());
        if configured != region {
            let what = format!("the cluster is in region {region}, and `[ec2] region` says {configured}");
            return Err(Failure::new(&PROVIDER_FIXED, what)
                .hint(format!("./orchestrator destroy, or write: region = \"{region}\"")));
        }
        self.owner().await.map(drop)
    }

    async fn look(&self) -> Vec<Finding> {
        self.look_closer().await
    }

    async fn prepare(&self) -> Result<Done<()>, Failure> {
        let found = self.groups().await?;
        self.ownership().await?;
        if self.key().read().is_some() {
            self.key().prepare("")?; // both copies
        }
        self.have_group(found).await
    }

    async fn list(&self) -> Result<Vec<Machine>, Failure> {
        Ok(self.observe().await?.iter().map(|node| self.machine(node)).collect())
    }

    async fn known(&self) -> Result<Vec<Machine>, Failure> {
        let seen = self.record.seen()?;
        self.introduce(&seen)?;
        Ok(seen.iter().map(|node| self.machine(node)).collect())
    }

    fn tagged_id(&self) -> Result<Option<String>, Failure> {
        Ok(self.record.decided()?.id)
    }

    async fn create(&self, spec: &MachineSpec, seen: OnSeen<'_>) -> Result<Done<Machine>, Failure> {
        self.asked.borrow_mut().insert(spec.name.clone(), spec.clone());
        self.creates.boot(&spec.name, seen, async |batch| self.make_all(batch).await).await?;
        self.ready(&spec.name, seen).await
    }

    async fn start(&self, machine: &Machine, seen: OnSeen<'_>) -> Result<Done<Machine>, Failure> {
        self.starts.boot(&machine.name, seen, async |batch| self.start_all(batch).await).await?;
        self.ready(&machine.name, seen).await
    }

    async fn may_stop(&self) -> Result<(), Failure> {
        self.check_spot().await
    }

    async fn stop(&self, machine: &Machine) -> Result<Done<()>, Failure> {
        if machine.state == MachineState::Stopped && self.node_of(machine).await?.is_some_and(|node| is_stopped(&node))
        {
            return Ok(Done::Unchanged(()));
        }
        self.stops.boot(&machine.name, &|_| {}, async |batch| self.stop_all(batch).await).await?;
        Ok(Done::Changed(()))
    }

    async fn destroy(&self, machine: &Machine) -> Result<Done<()>, Failure> {
        self.ends.boot(&machine.name, &|_| {}, async |batch| self.end_all(batch).await).await?;
        Ok(Done::Changed(()))
    }

    async fn rest(&self) -> Result<Done<()>, Failure> {
        Ok(Done::Unchanged(()))
    }

    async fn clean_up(&self) -> Result<Done<()>, Failure> {
        self.remove_rest().await
    }

    async fn leftovers(&self) -> Result<Vec<String>, Failure> {
        self.left().await
    }

    fn host(&self, machine: &Machine) -> Rc<dyn Host + '_> {
        self.remote(&self.remembered(machine).expect("machines come from this provider"))
    }

    fn boots_within(&self) -> Duration {
        BOOT
    }

    async fn api_url(&self, server: &Machine) -> Result<String, Failure> {
        let node = self.node_of(server).await?;
        let address = node.and_then(|node| self.address(&node.instance)).ok_or_else(|| {
            let what = format!("server `{}` has no address by which it is reached", server.name);
            Failure::new(&NO_CLUSTER, what).hint("./orchestrator start")
        })?;
        Ok(format!("https://{address}:{API_PORT}"))
    }

    fn outside_address(&self, machine: &Machine) -> String {
        let node = self.remembered(machine);
        node.and_then(|node| self.address(&node.instance)).unwrap_or_else(|| machine.address.clone())
    }

    async fn shell(&self, machine: &Machine, command: Option<&[String]>) -> Result<u8, Failure> {
        let remote = self.remote(&self.remembered(machine).expect("machines come from this provider"));
        remote.ssh().shell(command).await.map_err(|error| remote.ssh().failure(&error))
    }

    fn api_name<'c>(&self, cluster: &'c str) -> Option<&'c str> {
        Some(cluster)
    }

    fn price(&self, specs: &[MachineSpec]) -> Option<Cost> {
        self.price_of(specs)
    }

    fn cost(&self, specs: &[MachineSpec]) -> Option<Cost> {
        self.cost_so_far(specs)
    }

    fn caution(&self) -> Option<String> {
        if let Some((id, owner)) = self.others.borrow().iter().next() {
            let (name, owner) = (&self.cluster, owner.as_deref().unwrap_or("somebody else"));
            return Some(format!("{owner} has a cluster `{name}` too; to mean it: export {CHOSEN_ID}={id}"));
        }
        let expires = self.record.decided().ok()?.expires?;
        Some(format!("the instances end by themselves at {expires} (`[ec2] ttl`)"))
    }
}

fn is_stopped(node: &Node) -> bool {
    node.instance.state == InstanceState::Stopped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_a_role_are_one_owner() {
        assert_eq!(owner_of("arn:aws:iam::123456789012:user/team/ann"), "user/team/ann");
        assert_eq!(owner_of("arn:aws:sts::123456789012:assumed-role/ci/run-4711"), "assumed-role/ci");
    }
}
