//! Which instances are the cluster's, and how they come from one state into another.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    Ec2Provider,
    record::Node,
    tags::{CLUSTER, CLUSTER_ID, OWNER, machine_of, of_cluster},
};
use crate::{
    effects::{
        boots::Batch,
        ec2::{AwsError, Filter, Instance, InstanceState, Which, ids_in},
    },
    failure::{EC2_CLUSTER_UNCLEAR, EC2_INSTANCE_ENDED, Failure},
    model::Role,
};

/// What Amazon was told may take so long to be seen everywhere.
pub(super) const CONSISTENT: Duration = Duration::from_secs(300);
/// No change of state takes longer.
const CHANGES: Duration = Duration::from_secs(600);
const SLOWEST: Duration = Duration::from_secs(5);
/// Every stage of an instance that is not gone.
const THERE: [&str; 4] = ["pending", "running", "stopping", "stopped"];

impl Ec2Provider {
    /// Returns the id that everything of the cluster carries: as it was decided, as what is there carries it (the state
    /// directory was lost), or as a new cluster was given it; `None` when there is none.
    pub(super) async fn cluster_id(&self) -> Result<Option<String>, Failure> {
        if let Some(id) = self.record.decided()?.id {
            return Ok(Some(id));
        }
        if let Some(found) = self.found_id.get() {
            return Ok(found.clone().or(self.given_id()?));
        }
        let found = self.find_id().await?;
        let _ = self.found_id.set(found.clone());
        Ok(found.or(self.given_id()?))
    }

    pub(super) fn given_id(&self) -> Result<Option<String>, Failure> {
        Ok(self.directory.load()?.map(|state| state.id))
    }

    /// Looks for a cluster of this name that the same user made.
    async fn find_id(&self) -> Result<Option<String>, Failure> {
        if let Some(chosen) = &self.chosen_id {
            return Ok(Some(chosen.clone()));
        }
        let owner = self.owner().await?;
        let called_so = [Filter::tag(CLUSTER, &self.cluster)];
        let there = [&called_so[..], &[Filter::new("instance-state-name", THERE)]].concat();
        let failed = |error: AwsError| error.failure(format!("cluster `{}` cannot be looked for", self.cluster));
        let instances = self.ec2.instances(&Which::Like(there)).await.map_err(failed)?;
        let groups = self.ec2.groups(&called_so).await.map_err(failed)?;
        let tags = instances.iter().map(|instance| &instance.tags).chain(groups.iter().map(|group| &group.tags));
        let named: BTreeMap<_, _> =
            tags.filter_map(|tags| Some((tags.get(CLUSTER_ID)?.clone(), tags.get(OWNER).cloned()))).collect();
        let (ids, others): (BTreeMap<_, _>, _) =
            named.into_iter().partition(|(_, made_by)| made_by.as_ref() == Some(&owner));
        if ids.is_empty() {
            self.others.replace(others);
        }
        let ids: Vec<_> = ids.into_keys().collect();
        if ids.len() < 2 {
            return Ok(ids.into_iter().next());
        }
        let ids = ids.join(", ");
        Err(Failure::new(&EC2_CLUSTER_UNCLEAR, format!("{owner} has several clusters called `{}`", self.cluster))
            .because(format!("they are {ids}, and the state directory does not say which"))
            .hint("say which: export ORCHESTRATOR_CLUSTER_ID=<id>"))
    }

    /// Returns the machines that are there: what carries the cluster's tag, and what was made and is not seen by its tag
    /// yet.
    pub(super) async fn observe(&self) -> Result<Vec<Node>, Failure> {
        let Some(id) = self.cluster_id().await? else { return Ok(Vec::new()) };
        let filters = vec![of_cluster(&id), Filter::new("instance-state-name", THERE)];
        let failed = |error: AwsError| error.failure("the cluster's instances cannot be listed");
        let mut found = self.ec2.instances(&Which::Like(filters)).await.map_err(failed)?;
        let made = self.record.decided()?.made;
        let young = |at: i64| now() - at < CONSISTENT.as_secs() as i64;
        let unseen = made.iter().filter(|(id, made)| young(made.at) && found.iter().all(|known| known.id != **id));
        let unseen: Vec<_> = unseen.map(|(id, _)| id.clone()).collect();
        let late = self.by_id(&unseen).await.map_err(failed)?;
        // Tags are seen after instances: those of one that is remembered are known all the same.
        found.extend(late.into_iter().filter(|instance| !instance.state.is_gone()));
        let nodes = self.nodes(found)?;
        self.nodes.replace(nodes.clone());
        self.record.see(&nodes)?;
        self.introduce(&nodes)?;
        Ok(nodes)
    }

    /// Returns instances by their ids, as soon as all of them can be seen; those that cannot be after a while are gone.
    pub(super) async fn by_id(&self, ids: &[String]) -> Result<Vec<Instance>, AwsError> {
        let mut wanted = ids.to_vec();
        let end = Instant::now() + self.pace.unseen;
        while !wanted.is_empty() {
            match self.ec2.instances(&Which::Ids(wanted.clone())).await {
                Err(error) if error.is_not_found() => {
                    if Instant::now() > end {
                        let missing = ids_in(&error.to_string());
                        let before = wanted.len();
                        wanted.retain(|id| !missing.contains(id));
                        if wanted.len() == before {
                            return Err(error);
                        }
                    } else {
                        sleep(self.pace.poll * 4).await;
                    }
                }
                other => return other,
            }
        }
        Ok(Vec::new())
    }

    /// Waits until these instances have ended; one that is not known any more has.
    pub(super) async fn until_gone(&self, ids: &[String], batch: &Batch) -> Result<(), Failure> {
        let end = Instant::now() + CHANGES;
        let mut left = ids.to_vec();
        while !left.is_empty() {
            match self.ec2.instances(&Which::Ids(left.clone())).await {
                Ok(found) => {
                    let ended = |id: &String| {
                        let is_it = |instance: &&Instance| instance.id == *id;
                        found.iter().find(is_it).is_none_or(|instance| instance.state == InstanceState::Terminated)
                    };
                    left.retain(|id| !ended(id));
                    if Instant::now() > end {
                        return Err(stuck(&left, &found));
                    }
                }
                Err(error) => {
                    let (missing, before) = (ids_in(&error.to_string()), left.len());
                    left.retain(|id| !missing.contains(id));
                    if !error.is_not_found() || left.len() == before {
                        return Err(error.failure("the cluster's instances cannot be watched"));
                    }
                    continue;
                }
            }
            for tell in batch.values() {
                tell.send_replace("its instance is shutting down".into());
            }
            if !left.is_empty() {
                sleep(self.pace.poll * 2).await;
            }
        }
        Ok(())
    }

    /// Does something with a security group as soon as it is known where that is done.
    pub(super) async fn once_seen<T>(&self, act: impl AsyncFn() -> Result<T, AwsError>) -> Result<T, AwsError> {
        let end = Instant::now() + self.pace.unseen;
        loop {
            match act().await {
                Err(error) if is_unknown_group(&error) && Instant::now() < end => sleep(self.pace.poll * 2).await,
                done => return done,
            }
        }
    }

    /// Gives every instance the name of its machine. Of two that claim the same name the older one has it; the other one,
    /// and one whose tags do not say, are called by their ids.
    fn nodes(&self, mut found: Vec<Instance>) -> Result<Vec<Node>, Failure> {
        let made = self.record.decided()?.made;
        found.sort_by(|a, b| (&a.launched, &a.id).cmp(&(&b.launched, &b.id)));
        let mut nodes: Vec<Node> = Vec::new();
        for instance in found {
            let remembered = made.get(&instance.id).map(|made| (role_of(&made.machine), made.machine.clone()));
            let named = machine_of(&instance).or(remembered);
            let free = |(_, name): &(Role, String)| nodes.iter().all(|node| node.name != *name);
            let (role, name) = named.filter(free).unwrap_or_else(|| (Role::Agent, instance.id.clone()));
            nodes.push(Node { name, role, instance });
        }
        nodes.sort_by(|a, b| (a.role, &a.name).cmp(&(b.role, &b.name)));
        Ok(nodes)
    }

    /// Waits until all of these instances are `ready`, tells `batch` of it, and returns them as they are then.
    pub(super) async fn until(
        &self,
        ids: &[String],
        batch: &Batch,
        ready: impl Fn(&Instance) -> bool,
    ) -> Result<Vec<Instance>, Failure> {
        let end = Instant::now() + CHANGES;
        let mut pause = self.pace.poll;
        loop {
            let late = match self.ec2.instances(&Which::Ids(ids.to_vec())).await {
                Ok(found) if found.len() == ids.len() && found.iter().all(&ready) => return Ok(found),
                Ok(found) => {
                    let late: Vec<_> = found.into_iter().filter(|instance| !ready(instance)).collect();
                    if let Some(ended) = late.iter().find(|instance| instance.state.is_gone()) {
                        return Err(ended_by_itself(ended));
                    }
                    late
                }
                Err(error) if error.is_not_found() => Vec::new(),
                Err(error) => return Err(error.failure("the cluster's instances cannot be watched")),
            };
            if Instant::now() > end {
                return Err(stuck(ids, &late));
            }
            let word = late.first().map_or("not to be seen yet", |instance| state(instance.state));
            for tell in batch.values() {
                tell.send_replace(format!("its instance is {word}"));
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(SLOWEST.max(self.pace.poll));
        }
    }
}

/// Returns what a machine of this name is in the cluster.
fn role_of(name: &str) -> Role {
    let mut words = name.rsplit('-');
    if words.nth(1) == Some(Role::Server.name()) { Role::Server } else { Role::Agent }
}

fn is_unknown_group(error: &AwsError) -> bool {
    ["InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidSecurityGroupID.NotFound"].contains(&error.code())
}

pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn state(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "pending",
        InstanceState::Running => "running without an address",
        InstanceState::Stopping => "stopping",
        InstanceState::Stopped => "stopped",
        InstanceState::ShuttingDown => "shutting down",
        InstanceState::Terminated => "terminated",
    }
}

fn ended_by_itself(instance: &Instance) -> Failure {
    let why = instance.reason.clone().unwrap_or_else(|| "Amazon gives no reason".into());
    Failure::new(&EC2_INSTANCE_ENDED, format!("instance {} ended instead of starting", instance.id))
        .because(why)
        .hint("./orchestrator create")
}

fn stuck(ids: &[String], late: &[Instance]) -> Failure {
    let words = late.iter().map(|instance| format!("{} is {}", instance.id, state(instance.state)));
    let words: Vec<_> = words.collect();
    let because = if words.is_empty() { "they are not to be seen".into() } else { words.join(", ") };
    Failure::new(
        &EC2_INSTANCE_ENDED,
        format!("instances do not change their state in {} minutes", CHANGES.as_secs() / 60),
    )
    .because(because)
    .hint(format!("aws ec2 describe-instances --instance-ids {}", ids.join(" ")))
}
