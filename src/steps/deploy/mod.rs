//! Stacks on their way to a cluster, and back.

mod record;
mod request;
mod suspects;
mod world;

pub mod apply_manifests;
pub mod create_namespaces;
mod find_pull_login;
pub mod generate_secrets;
pub mod prune_manifests;
pub mod remove_stacks;
pub mod wait_for_rollout;

#[cfg(test)]
mod testing;

pub use remove_stacks::Data;

use crate::{
    effects::kube::Kube,
    engine::Run,
    failure::Failure,
    model::registry::DockerConfig,
    plan::{cluster::PullRegistry, diagnosis::Advice, manifests::prepare::STACK_LABEL, stack::ParsedStack},
};

/// How many requests are under way at the same time.
const PARALLEL: usize = 32;

/// Returns the login for the nodes to pull the stacks' images from this registry with, if there is one.
///
/// # Errors
/// When the configuration's login is not to be had, or the cluster does not answer.
pub async fn find_pull_login(
    run: &Run,
    kube: &dyn Kube,
    registry: &PullRegistry,
    stacks: &[ParsedStack],
) -> Result<Option<DockerConfig>, Failure> {
    let step = find_pull_login::STEP;
    run.step(step, async |scope| find_pull_login::find_pull_login(kube, registry, stacks, scope).await).await
}

/// Has these prepared stacks on the cluster, without what they no longer declare, and waits until they are ready.
///
/// # Errors
/// What the cluster refused, or what does not become ready, with its cause.
pub async fn deploy(run: &Run, kube: &dyn Kube, stacks: &[ParsedStack], advice: Advice<'_>) -> Result<(), Failure> {
    run.step(create_namespaces::STEP, async |scope| create_namespaces::create_namespaces(kube, stacks, scope).await)
        .await?;
    run.step(generate_secrets::STEP, async |scope| generate_secrets::generate_secrets(kube, stacks, scope).await)
        .await?;
    let applied = run
        .step(apply_manifests::STEP, async |scope| apply_manifests::apply_manifests(kube, stacks, scope).await)
        .await?;
    run.step(prune_manifests::STEP, async |scope| {
        prune_manifests::prune_manifests(kube, stacks, &applied, scope).await
    })
    .await?;
    await_stacks(run, kube, stacks, advice).await
}

/// Waits until the workloads of these prepared stacks are ready.
///
/// # Errors
/// What does not become ready, with its cause.
pub async fn await_stacks(
    run: &Run,
    kube: &dyn Kube,
    stacks: &[ParsedStack],
    advice: Advice<'_>,
) -> Result<(), Failure> {
    let patience = wait_for_rollout::PATIENCE;
    run.step(wait_for_rollout::STEP, async |scope| {
        wait_for_rollout::wait_for_rollout(kube, stacks, patience, advice, scope).await
    })
    .await
}

/// Removes these stacks from the cluster and waits until they are gone.
///
/// # Errors
/// When the cluster refuses, or when something stays.
pub async fn undeploy(run: &Run, kube: &dyn Kube, stacks: &[&str], data: Data) -> Result<(), Failure> {
    run.step(remove_stacks::STEP, async |scope| remove_stacks::remove_stacks(kube, stacks, data, scope).await).await
}

/// Returns the label selector for the objects of these stacks.
fn selector_of(stacks: &[ParsedStack]) -> String {
    let names: Vec<_> = stacks.iter().map(|stack| stack.name.as_str()).collect();
    format!("{STACK_LABEL} in ({})", names.join(","))
}
