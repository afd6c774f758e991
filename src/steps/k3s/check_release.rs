use std::collections::BTreeMap;

use super::list_nodes::list_nodes;
use crate::{
    effects::kube::Kube,
    engine::{Run, Step},
    failure::Failure,
    model::{Done, Reached, ReleaseFile},
    plan::{cluster::Cluster, k3s::BINARY, upgrade::upgrade},
};

pub const STEP: Step = Step { id: "check-release", title: "Check the change of release" };

/// Checks that the nodes can go to the wanted release, before anything of it is put on their machines.
///
/// # Errors
/// The node that cannot.
pub async fn check_release(run: &Run, kube: &dyn Kube, cluster: &Cluster) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        upgrade(&cluster.k3s.version, &list_nodes(scope, kube).await?).map(|_| Done::Unchanged(()))
    })
    .await
}

/// Whether a machine has the binary of another release.
pub fn has_other_release(reached: &Reached, release: &BTreeMap<String, Vec<ReleaseFile>>) -> bool {
    let wanted = release.get(&reached.facts.arch).and_then(|files| files.first());
    let there = reached.facts.files.iter().find(|file| file.path == BINARY);
    matches!((wanted, there), (Some(wanted), Some(there)) if wanted.sha256 != there.sha256)
}
