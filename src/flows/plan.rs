use super::{View, status::observe_all};
use crate::{failure::Failure, model::Action, plan::actions::actions};

/// Returns what `create` would change. Changes nothing.
///
/// # Errors
/// When the provider cannot say which machines there are.
pub async fn plan(view: &View<'_>) -> Result<Vec<Action>, Failure> {
    let (stacks, mut observed) = observe_all(view).await?;
    observed.unbuilt = view.images.unbuilt(&view.images_of(view.stacks)).await;
    Ok(actions(view.cluster, &stacks, &observed))
}
