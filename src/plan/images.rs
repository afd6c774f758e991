//! The full references of the images that the configuration builds.

use std::collections::BTreeMap;

use super::cluster::Images;

/// The tag of images that were not built.
const TAG: &str = "rehearsal";

/// Returns the full reference of every image to build, by build name.
pub fn references(images: &Images) -> BTreeMap<String, String> {
    let tag = images.tag.as_deref().unwrap_or(TAG);
    let reference = |name: &str| match &images.registry {
        Some(registry) => format!("{}/{name}:{tag}", registry.trim_end_matches('/')),
        None => format!("{name}:{tag}"),
    };
    images.builds.iter().map(|(name, _)| (name.clone(), reference(name))).collect()
}
