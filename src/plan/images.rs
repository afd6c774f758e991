//! The images that the configuration builds.

use super::cluster::Images;
use crate::model::image::ImageSpec;

/// Returns every image to build, by name.
pub fn specs(images: &Images) -> Vec<ImageSpec> {
    let repository = |name: &str| match &images.registry {
        Some(registry) => format!("{}/{name}", registry.trim_end_matches('/')),
        None => name.to_owned(),
    };
    let spec = |(name, context): &(String, std::path::PathBuf)| ImageSpec {
        name: name.clone(),
        context: context.clone(),
        repository: repository(name),
        tag: images.tag.clone(),
        latest: images.latest,
        pushed: images.registry.is_some(),
        plain_http: images.plain_http,
        login: images.login.clone(),
    };
    images.builds.iter().map(spec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::Tag;

    #[test]
    fn an_image_belongs_into_the_registry_if_there_is_one() {
        let images = |registry: Option<&str>| Images {
            registry: registry.map(Into::into),
            tag: Tag::Fixed("1".into()),
            builds: vec![("web".into(), "/web".into())],
            ..Images::default()
        };
        let spec = &specs(&images(Some("localhost:5000/")))[0];
        assert_eq!((spec.repository.as_str(), spec.pushed), ("localhost:5000/web", true));
        assert_eq!(specs(&images(None))[0].repository, "web");
    }
}
