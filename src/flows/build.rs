use crate::{
    effects::images::ImageSource,
    engine::{Ending, Run},
    failure::{Failure, NO_SUCH_IMAGE},
    model::image::ImageSpec,
    steps::build_images::build_images,
};

/// Has these images built.
///
/// # Errors
/// The images that cannot be built or pushed.
pub async fn build(run: &Run, source: &dyn ImageSource, specs: &[ImageSpec]) -> Result<Ending, Failure> {
    let images = build_images(run, source, specs).await?;
    let notes = images.iter().map(|image| format!("{} is {}", image.name, image.reference)).collect();
    Ok(Ending { message: "images built".into(), notes, ..Ending::default() })
}

/// Returns the images of these names, or all when none is named.
///
/// # Errors
/// When the configuration builds no image of a name.
pub fn chosen(specs: Vec<ImageSpec>, names: &[String]) -> Result<Vec<ImageSpec>, Failure> {
    if let Some(unknown) = names.iter().find(|name| specs.iter().all(|spec| spec.name != **name)) {
        let known: Vec<_> = specs.iter().map(|spec| format!("`{}`", spec.name)).collect();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        return Err(Failure::new(&NO_SUCH_IMAGE, format!("no image `{unknown}` is built"))
            .because(format!("`[images.build]` has {known}")));
    }
    Ok(specs.into_iter().filter(|spec| names.is_empty() || names.contains(&spec.name)).collect())
}
