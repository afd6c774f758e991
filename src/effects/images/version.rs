//! What an image is built from now, and the tag that tells.

use std::io;

use super::{commit::commit, context};
use crate::{
    failure::{CONTEXT_UNUSABLE, Failure},
    model::image::{ImageSpec, Tag},
};

/// How many characters of a hash are enough to tell contents apart.
const DIGITS: usize = 16;

/// What an image is built from now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The hash of everything in its folder.
    pub content: String,
    /// Name and tag.
    pub reference: String,
}

/// Returns what an image is built from now.
///
/// # Errors
/// When its folder has no Dockerfile, cannot be read, or is at no commit and is to be tagged by one.
pub async fn version(spec: &ImageSpec) -> Result<Version, Failure> {
    let folder = spec.context.clone();
    let content = tokio::task::spawn_blocking(move || context::content(&folder)).await;
    let content = content.map_err(io::Error::other).flatten().map_err(|error| not_a_context(spec, &error))?;
    let hash = &content[..DIGITS];
    let tag = match &spec.tag {
        Tag::Fixed(tag) => tag.clone(),
        Tag::Content => hash.to_owned(),
        Tag::Commit => match commit(&spec.context).await {
            Ok((commit, true)) => commit,
            Ok((commit, false)) => format!("{commit}-{hash}"),
            Err(words) => return Err(not_a_context(spec, &words)),
        },
    };
    Ok(Version { reference: format!("{}:{tag}", spec.repository), content })
}

fn not_a_context(spec: &ImageSpec, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(&CONTEXT_UNUSABLE, format!("image `{}` cannot be built from {}", spec.name, spec.context.display()))
        .because(error)
        .hint(format!("ls -la {}", spec.context.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tag_is_given_or_tells_the_content() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch").unwrap();
        let spec = |tag| ImageSpec {
            name: "web".into(),
            context: folder.path().into(),
            repository: "you/web".into(),
            tag,
            latest: false,
            pushed: false,
            plain_http: false,
            login: None,
        };
        let reference = async |tag| version(&spec(tag)).await.map(|version| version.reference);
        assert_eq!(reference(Tag::Fixed("1".into())).await.unwrap(), "you/web:1");
        let tagged = reference(Tag::Content).await.unwrap();
        assert_eq!(tagged.len(), "you/web:".len() + DIGITS, "{tagged}");
        let failure = reference(Tag::Commit).await.unwrap_err();
        assert_eq!(failure.id, "IMG-001", "{failure}");
    }
}
