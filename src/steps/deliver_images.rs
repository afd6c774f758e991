use crate::{
    engine::{Run, Step},
    failure::Failure,
    model::Machine,
    providers::Provider,
};

pub const STEP: Step = Step { id: "deliver-images", title: "Deliver images" };

/// Has these images on every machine, all at the same time.
///
/// # Errors
/// The machines that lack one.
pub async fn deliver_images(
    run: &Run,
    provider: &dyn Provider,
    machines: &[Machine],
    references: &[String],
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let delivered =
            scope.on_each(machines, async |machine, _| provider.host(machine).deliver_images(references).await).await?;
        Ok(delivered.map(drop))
    })
    .await
}
