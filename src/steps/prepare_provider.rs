use crate::{
    engine::{Run, Step},
    failure::Failure,
    providers::Provider,
};

pub const STEP: Step = Step { id: "prepare-provider", title: "Prepare the provider" };

/// Makes ready what machines need around them.
///
/// # Errors
/// The provider's.
pub async fn prepare_provider(run: &Run, provider: &dyn Provider) -> Result<(), Failure> {
    run.step(STEP, async |_| provider.prepare().await).await
}
