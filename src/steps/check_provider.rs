use crate::{
    engine::{Run, Step},
    failure::Failure,
    model::Done,
    providers::Provider,
};

pub const STEP: Step = Step { id: "check-provider", title: "Check this computer" };

/// Checks that this computer has what the provider needs; changes nothing.
///
/// # Errors
/// What is missing.
pub async fn check_provider(run: &Run, provider: &dyn Provider) -> Result<(), Failure> {
    run.step(STEP, async |_| provider.check().await.map(Done::Unchanged)).await
}
