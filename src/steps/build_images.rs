use crate::{
    effects::images::ImageSource,
    engine::{Run, Step},
    failure::Failure,
    model::image::{Image, ImageSpec},
};

pub const STEP: Step = Step { id: "build-images", title: "Build images" };

/// Has these images built from what their folders hold now, and pushed where they belong in a registry; those whose
/// folders did not change are left alone. All finish before a failure is told.
///
/// # Errors
/// The images that cannot be built or pushed, each with what the builder says.
pub async fn build_images(run: &Run, source: &dyn ImageSource, specs: &[ImageSpec]) -> Result<Vec<Image>, Failure> {
    run.step(STEP, async |scope| {
        scope.on_each(specs, async |spec, scope| source.build(spec, &|line| scope.doing(line)).await).await
    })
    .await
}
