use std::collections::{BTreeMap, BTreeSet};

use crate::{
    effects::k3s_release::{K3sRelease, News},
    engine::{Run, Step},
    failure::Failure,
    model::{Done, Reached, ReleaseFile},
    plan::cluster::Cluster,
};

pub const STEP: Step = Step { id: "fetch-k3s", title: "Fetch K3s" };

/// Has the files of the K3s release on this computer, once for all machines of an architecture. Returns them by
/// architecture.
///
/// # Errors
/// When a file is not to be had or is damaged.
pub async fn fetch_k3s(
    run: &Run,
    release: &dyn K3sRelease,
    cluster: &Cluster,
    machines: &[Reached],
) -> Result<BTreeMap<String, Vec<ReleaseFile>>, Failure> {
    run.step(STEP, async |scope| {
        let architectures: BTreeSet<_> = machines.iter().map(|reached| reached.facts.arch.clone()).collect();
        let mut files = BTreeMap::new();
        let mut changed = false;
        for arch in architectures {
            let tell = |news| match news {
                News::Progress(done, of) => scope.progress(done, of),
                News::Waiting(seen) => scope.waiting(seen),
            };
            let fetched = release.fetch(&cluster.k3s.version, &arch, &tell).await?;
            changed |= fetched.changed();
            files.insert(arch, fetched.into_inner());
        }
        Ok(Done::when(changed, files))
    })
    .await
}
