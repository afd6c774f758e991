//! Stacks on their way to a cluster, and back.

mod record;
mod request;
mod suspects;

pub mod apply_manifests;
pub mod create_namespaces;
pub mod generate_secrets;
pub mod prune_manifests;
pub mod remove_stacks;
pub mod wait_for_rollout;

#[cfg(test)]
mod fake_kube;

use crate::plan::{manifests::prepare::STACK_LABEL, stack::ParsedStack};

/// How many requests are under way at the same time.
const PARALLEL: usize = 32;

/// Returns the label selector for the objects of these stacks.
fn selector<'a>(stacks: impl IntoIterator<Item = &'a str>) -> String {
    format!("{STACK_LABEL} in ({})", stacks.into_iter().collect::<Vec<_>>().join(","))
}

fn selector_of(stacks: &[ParsedStack]) -> String {
    selector(stacks.iter().map(|stack| stack.name.as_str()))
}
