use crate::{
    effects::{kubeconfig, state_directory::State},
    engine::{Run, Step},
    failure::Failure,
    model::Done,
};

pub const STEP: Step = Step { id: "unmerge-kubeconfig", title: "Take the cluster out of your kubeconfig" };

/// Takes the cluster out of the user's kubeconfig, if it was merged into it.
///
/// # Errors
/// When the kubeconfig cannot be read or written.
pub async fn unmerge_kubeconfig(run: &Run, state: &State, cluster: &str) -> Result<(), Failure> {
    let Some(path) = &state.merged_into else { return Ok(()) };
    run.step(STEP, async |_| Ok(Done::when(kubeconfig::unmerge(path, cluster)?, ()))).await
}
