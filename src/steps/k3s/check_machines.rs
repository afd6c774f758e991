use crate::{
    engine::{Run, Step},
    failure::Failure,
    model::{Done, Reached},
    plan::{cluster::Cluster, preflight::preflight},
};

pub const STEP: Step = Step { id: "check-machines", title: "Check machines" };

/// Checks that every machine can become a node of the cluster with this id; touches nothing.
///
/// # Errors
/// Every problem of every machine.
pub async fn check_machines(run: &Run, cluster: &Cluster, id: &str, machines: &[Reached]) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let found = preflight(cluster, id, machines);
        for (machine, words) in found.warnings {
            scope.warn(format!("{machine}: {words}"));
        }
        Failure::join(found.problems).map_or(Ok(Done::Unchanged(())), Err)
    })
    .await
}
