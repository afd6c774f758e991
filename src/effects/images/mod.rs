//! Images: built on this computer, kept here, on their way to nodes or a registry.

mod builder;
mod built;
mod commit;
mod context;
mod credentials;
mod dockerignore;
mod layout;
mod local_registry;
mod pushed;
mod saved;
mod summed;
mod version;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use async_trait::async_trait;

pub use built::BuiltImages;
pub use credentials::Credentials;
use version::version;

use crate::{
    failure::Failure,
    model::{
        Done,
        image::{Image, ImageArchive, ImageSpec},
        image_name::canonical,
    },
};

/// The tag of what has no folder to build it from, in a rehearsal.
const REHEARSED: &str = "rehearsal";

/// Is told how a build goes.
pub type OnBuild<'a> = &'a dyn Fn(&str);

/// Where images come from.
#[async_trait(?Send)]
pub trait ImageSource {
    /// Returns what manifests are given for each image, by the name that they give it. Builds nothing: an image that is
    /// not built yet has its tag and no digest.
    async fn references(&self, specs: &[ImageSpec]) -> BTreeMap<String, String>;

    /// Returns those that are not built from what their folders hold now.
    async fn unbuilt(&self, specs: &[ImageSpec]) -> Vec<ImageSpec>;

    /// Checks that what is not built yet can be; builds nothing.
    ///
    /// # Errors
    /// When a folder has no Dockerfile, or no program here builds images.
    async fn check(&self, specs: &[ImageSpec]) -> Result<(), Failure>;

    /// Has an image built from what its folder holds now, and pushed where it belongs in a registry.
    ///
    /// # Errors
    /// When it cannot be built or pushed.
    async fn build(&self, spec: &ImageSpec, tell: OnBuild<'_>) -> Result<Done<Image>, Failure>;

    /// Writes what a node with these parts lacks of the images into an archive. It lasts as long as the source.
    ///
    /// # Errors
    /// When it cannot be written.
    async fn archive(&self, images: &[&Image], there: &BTreeSet<String>) -> Result<ImageArchive, Failure>;
}

/// Where nothing is really built: images have names.
pub struct RehearsedImages;

#[async_trait(?Send)]
impl ImageSource for RehearsedImages {
    async fn references(&self, specs: &[ImageSpec]) -> BTreeMap<String, String> {
        let mut references = BTreeMap::new();
        for spec in specs {
            references.insert(spec.name.clone(), rehearsed(spec).await);
        }
        references
    }

    async fn unbuilt(&self, _: &[ImageSpec]) -> Vec<ImageSpec> {
        Vec::new()
    }

    async fn check(&self, _: &[ImageSpec]) -> Result<(), Failure> {
        Ok(())
    }

    async fn build(&self, spec: &ImageSpec, _: OnBuild<'_>) -> Result<Done<Image>, Failure> {
        Ok(Done::Unchanged(image(spec, rehearsed(spec).await, String::new())))
    }

    async fn archive(&self, images: &[&Image], _: &BTreeSet<String>) -> Result<ImageArchive, Failure> {
        let names = images.iter().flat_map(|image| image.names.iter().cloned()).collect();
        Ok(ImageArchive { path: PathBuf::new(), sha256: String::new(), size: 0, names })
    }
}

async fn rehearsed(spec: &ImageSpec) -> String {
    match version(spec).await {
        Ok(version) => version.reference,
        Err(_) => format!("{}:{REHEARSED}", spec.repository),
    }
}

fn latest(spec: &ImageSpec) -> String {
    format!("{}:latest", spec.repository)
}

fn image(spec: &ImageSpec, reference: String, digest: String) -> Image {
    let tagged = reference.split('@').next().unwrap_or_default();
    let mut names: Vec<_> = [tagged, &reference].into_iter().filter_map(canonical).collect();
    names.extend(spec.latest.then(|| latest(spec)).as_deref().and_then(canonical));
    names.dedup();
    Image { name: spec.name.clone(), reference, names, digest, pushed: spec.pushed, blobs: Vec::new() }
}
