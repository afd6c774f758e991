//! Everything that carries the cluster's tag goes, in the order in which one thing holds another; a list proves that
//! nothing is left.

use std::{rc::Rc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    Ec2Provider,
    instances::{CONSISTENT, now},
    power::each,
    tags::of_cluster,
};
use crate::{
    effects::{
        boots::{Batch, Results},
        ec2::{AwsError, Filter, Part, Which},
    },
    failure::Failure,
    model::Done,
};

/// How long something may hold what is to be removed: Amazon takes instances' interfaces away after them.
const HELD: Duration = Duration::from_secs(300);

impl Ec2Provider {
    pub(super) async fn end_all(&self, batch: Rc<Batch>) -> Results {
        let ended = async {
            let there = self.observe().await?;
            let ours = there.iter().filter(|node| batch.contains_key(&node.name));
            self.end(&ours.map(|node| node.instance.id.clone()).collect::<Vec<_>>(), &batch).await
        };
        each(&batch, ended.await)
    }

    /// Ends instances and waits until they are gone.
    async fn end(&self, ids: &[String], batch: &Batch) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let failed = |error: AwsError| error.failure("the cluster's instances cannot be ended");
        match self.ec2.terminate(ids).await {
            // One that is not known keeps the others alive.
            Err(error) if error.is_not_found() => {
                for id in ids {
                    match self.ec2.terminate(std::slice::from_ref(id)).await {
                        Err(error) if error.is_not_found() => {}
                        ended => ended.map_err(failed)?,
                    }
                }
            }
            ended => ended.map_err(failed)?,
        }
        self.until_gone(ids, batch).await?;
        self.record.decide(|decided| decided.made.retain(|id, _| !ids.contains(id)))
    }

    /// Removes what was around the machines, and machines that nobody listed.
    pub(super) async fn remove_rest(&self) -> Result<Done<()>, Failure> {
        let Some(id) = self.cluster_id().await? else { return Ok(Done::Unchanged(())) };
        self.await_intents().await?;
        let strays: Vec<_> = self.observe().await?.into_iter().map(|node| node.instance.id).collect();
        self.end(&strays, &Batch::new()).await?;
        let filters = [of_cluster(&id)];
        let mut changed = !strays.is_empty();
        changed |= self.remove_volumes(&filters).await?;
        changed |= self.remove_interfaces(&filters).await?;
        let groups = self.all_groups().await?;
        for group in &groups {
            let what = format!("security group {} cannot be removed", group.id);
            self.unless_held(&what, || self.ec2.delete_group(&group.id)).await?;
        }
        self.group.take();
        self.key().remove()?;
        Ok(Done::when(changed || !groups.is_empty(), ()))
    }

    /// Gives a call that an interrupted run began the time to be seen: what it made would be left behind.
    async fn await_intents(&self) -> Result<(), Failure> {
        loop {
            let there = self.observe().await?;
            let seen = |token: &str| there.iter().filter(|node| node.instance.token == token).count();
            let intents = self.record.decided()?.intents.into_iter();
            let open = intents.filter(|intent| seen(&intent.order.token) < intent.order.count);
            let youngest = open.map(|intent| now() - intent.at).min();
            if youngest.is_none_or(|age| age > self.pace.unseen.as_secs() as i64) {
                return Ok(());
            }
            sleep(self.pace.poll * 4).await;
        }
    }

    async fn remove_volumes(&self, filters: &[Filter]) -> Result<bool, Failure> {
        let failed = |error: AwsError| error.failure("the cluster's disks cannot be listed");
        // Those of instances go with them, a moment later.
        let there = self.until_free(async || self.ec2.volumes(filters).await.map_err(failed)).await?;
        for part in &there {
            let what = format!("disk {} cannot be removed", part.id);
            self.unless_held(&what, || self.ec2.delete_volume(&part.id)).await?;
        }
        Ok(!there.is_empty())
    }

    async fn remove_interfaces(&self, filters: &[Filter]) -> Result<bool, Failure> {
        let failed = |error: AwsError| error.failure("the cluster's network interfaces cannot be listed");
        let there = self.until_free(async || self.ec2.interfaces(filters).await.map_err(failed)).await?;
        for part in &there {
            let what = format!("network interface {} cannot be removed", part.id);
            self.unless_held(&what, || self.ec2.delete_interface(&part.id)).await?;
        }
        Ok(!there.is_empty())
    }

    /// Lists parts until nothing holds any of them.
    async fn until_free(&self, list: impl AsyncFn() -> Result<Vec<Part>, Failure>) -> Result<Vec<Part>, Failure> {
        let end = Instant::now() + HELD;
        loop {
            let parts = list().await?;
            if parts.iter().all(|part| part.free) || Instant::now() > end {
                return Ok(parts);
            }
            sleep(self.pace.poll * 2).await;
        }
    }

    /// Does something until nothing else holds what it is done to.
    async fn unless_held<F: Future<Output = Result<(), AwsError>>>(
        &self,
        what: &str,
        act: impl Fn() -> F,
    ) -> Result<(), Failure> {
        let end = Instant::now() + HELD;
        loop {
            match act().await {
                Err(error) if is_held(&error) && Instant::now() < end => sleep(self.pace.poll * 2).await,
                done => return done.map_err(|error| error.failure(what)),
            }
        }
    }

    /// Returns what is left of the cluster. What was removed a moment ago may be listed still: it is asked for again.
    pub(super) async fn left(&self) -> Result<Vec<String>, Failure> {
        let Some(id) = self.cluster_id().await? else { return Ok(Vec::new()) };
        let end = Instant::now() + CONSISTENT.min(self.pace.unseen);
        loop {
            let left = self.list_left(&id).await.map_err(|error| error.failure("what is left cannot be listed"))?;
            if left.is_empty() || Instant::now() > end {
                return Ok(left);
            }
            sleep(self.pace.poll * 4).await;
        }
    }

    async fn list_left(&self, id: &str) -> Result<Vec<String>, AwsError> {
        let filters = [of_cluster(id)];
        let instances = self.ec2.instances(&Which::Like(filters.to_vec())).await?;
        let instances = instances.into_iter().filter(|instance| !instance.state.is_gone());
        let mut left: Vec<_> = instances.map(|instance| format!("instance {}", instance.id)).collect();
        left.extend(self.ec2.volumes(&filters).await?.into_iter().map(|part| format!("disk {}", part.id)));
        let interfaces = self.ec2.interfaces(&filters).await?.into_iter();
        left.extend(interfaces.map(|part| format!("network interface {}", part.id)));
        let groups = self.ec2.groups(&filters).await?.into_iter();
        left.extend(groups.map(|group| format!("security group {}", group.id)));
        Ok(left)
    }
}

fn is_held(error: &AwsError) -> bool {
    ["DependencyViolation", "VolumeInUse", "InvalidNetworkInterface.InUse", "InvalidParameterValue", "IncorrectState"]
        .contains(&error.code())
}
