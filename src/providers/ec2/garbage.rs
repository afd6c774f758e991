//! What clusters left behind that nobody will destroy: in every region, and only what carries the tags of this program.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::{
    Ec2Provider,
    tags::{CLUSTER, CLUSTER_ID, EXPIRES, MADE, OWNER},
};
use crate::{
    effects::ec2::{AwsError, Ec2, Filter, Tags, Which},
    failure::{Failure, LEFT_BEHIND},
    providers::Provider,
};

/// How many regions are asked at the same time.
const PARALLEL: usize = 8;
/// What is younger may belong to a cluster whose instances are about to be made.
const YOUNG: Duration = Duration::from_secs(3600);

/// A cluster that is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Garbage {
    pub region: String,
    /// The cluster's id.
    pub id: String,
    pub cluster: String,
    pub owner: String,
    pub because: String,
    /// What there is of it, such as `instance i-0123456789abcdef0`.
    pub parts: Vec<String>,
}

/// What carries a cluster's tags.
#[derive(Default)]
struct Found {
    tags: Tags,
    parts: Vec<String>,
    /// It has instances.
    lives: bool,
}

/// Looks for what is to go: clusters whose time has come, and parts of clusters without instances. `regions` are all that
/// the account can use, if none is named.
///
/// # Errors
/// Those of regions that cannot be asked.
pub async fn find(ec2: &dyn Ec2, regions: &[String]) -> Result<Vec<Garbage>, Failure> {
    let regions = match regions {
        [] => ec2.regions().await.map_err(|error| error.failure("the regions cannot be listed"))?,
        some => some.to_vec(),
    };
    let asked = regions.into_iter().map(async |region| find_in(ec2.elsewhere(&region).as_ref(), &region).await);
    let asked: Vec<_> = asked.collect();
    let found: Vec<_> = stream::iter(asked).buffered(PARALLEL).try_collect().await?;
    Ok(found.concat())
}

async fn find_in(ec2: &dyn Ec2, region: &str) -> Result<Vec<Garbage>, Failure> {
    let failed = |error: AwsError| error.failure(format!("region {region} cannot be looked through"));
    let found = by_cluster(ec2).await.map_err(failed)?;
    let garbage = found.into_iter().filter_map(|(id, found)| {
        let tag = |key: &str| found.tags.get(key).cloned().unwrap_or_default();
        Some(Garbage {
            region: region.into(),
            cluster: tag(CLUSTER),
            owner: tag(OWNER),
            because: because(&found, jiff::Timestamp::now())?,
            parts: found.parts,
            id,
        })
    });
    Ok(garbage.collect())
}

async fn by_cluster(ec2: &dyn Ec2) -> Result<BTreeMap<String, Found>, AwsError> {
    let ours = [Filter::tag_key(CLUSTER_ID)];
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let mut add = |tags: Tags, part: String, lives: bool| {
        let Some(id) = tags.get(CLUSTER_ID).cloned() else { return };
        let cluster = found.entry(id).or_default();
        cluster.tags.extend(tags);
        cluster.parts.push(part);
        cluster.lives |= lives;
    };
    for group in ec2.groups(&ours).await? {
        add(group.tags, format!("security group {}", group.id), false);
    }
    for disk in ec2.volumes(&ours).await? {
        add(disk.tags, format!("disk {}", disk.id), false);
    }
    for interface in ec2.interfaces(&ours).await? {
        add(interface.tags, format!("network interface {}", interface.id), false);
    }
    for instance in ec2.instances(&Which::Like(ours.to_vec())).await? {
        if !instance.state.is_gone() {
            add(instance.tags, format!("instance {}", instance.id), true);
        }
    }
    Ok(found)
}

/// Says why a cluster is to go; `None` when it is to stay.
fn because(found: &Found, now: jiff::Timestamp) -> Option<String> {
    let time = |key: &str| found.tags.get(key)?.parse::<jiff::Timestamp>().ok();
    if let Some(expired) = time(EXPIRES).filter(|time| *time < now) {
        return Some(format!("expired at {expired}"));
    }
    let young = time(MADE).is_some_and(|made| now.duration_since(made).unsigned_abs() < YOUNG);
    (!found.lives && !young).then(|| "has no instance any more".into())
}

/// Removes a cluster. A copy of its key under `data` goes with it.
///
/// # Errors
/// What cannot be removed; that something is left.
pub async fn remove(ec2: &dyn Ec2, garbage: &Garbage, data: Option<PathBuf>) -> Result<(), Failure> {
    let there = ec2.elsewhere(&garbage.region);
    let provider = Ec2Provider::of_id(&garbage.id, &garbage.cluster, there, data);
    provider.clean_up().await?;
    let left = provider.leftovers().await?;
    if left.is_empty() {
        return Ok(());
    }
    Err(Failure::new(&LEFT_BEHIND, format!("{} is still there", left.join(", "))).hint("./orchestrator gc --yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(tags: &[(&str, &str)], lives: bool, goes: bool) {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let found = Found { tags, parts: Vec::new(), lives };
        assert_eq!(because(&found, "2026-11-21T12:00:00Z".parse().unwrap()).is_some(), goes);
    }

    #[test]
    fn what_lives_and_has_time_left_stays() {
        case(&[], true, false);
        case(&[(EXPIRES, "2026-11-21T13:00:00Z")], true, false);
        case(&[(EXPIRES, "2026-11-21T11:00:00Z")], true, true);
        case(&[(EXPIRES, "no time")], true, false);
        case(&[], false, true);
        case(&[(MADE, "2026-11-21T11:30:00Z")], false, false);
        case(&[(MADE, "2026-11-21T10:30:00Z")], false, true);
    }
}
