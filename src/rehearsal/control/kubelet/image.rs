//! Image references, and whether a node could get an image.

use sha2::{Digest, Sha256};

use super::super::world::State;
use crate::model::{
    hex::hex,
    image_name::{canonical, repository},
};

/// Whether a node has an image, or what comes of pulling it.
#[derive(Debug, PartialEq, Eq)]
pub enum Availability {
    Present,
    Pullable,
    /// The reference cannot be read.
    Invalid,
    /// The node does not have it and the pull policy is `Never`.
    NeverPulled,
    /// The runtime's words.
    Fails(String),
}

/// Returns the names a person may mean an image by: the full repository, the one written, the last part.
pub fn repository_names(reference: &str) -> Vec<String> {
    let full = canonical(reference).unwrap_or_else(|| reference.to_owned());
    let full = repository(&full);
    let written = repository(reference);
    let last = full.rsplit('/').next().unwrap_or(full);
    vec![full.to_owned(), written.to_owned(), last.to_owned(), reference.to_owned()]
}

/// Returns what the runtime calls the image that a reference leads to.
pub fn id(canonical: &str) -> String {
    format!("{}@sha256:{}", repository(canonical), digest(canonical))
}

/// Returns 64 hexadecimal digits that stand for the text.
pub fn digest(text: &str) -> String {
    hex(Sha256::digest(text))
}

/// Decides what happens when a container on `node` wants an image. `pulled` tells of images that were pulled before;
/// `fault` says that a failure was ordered.
pub fn availability(
    world: &State,
    node: &str,
    reference: &str,
    policy: &str,
    pulled: impl Fn(&str) -> bool,
    fault: bool,
) -> Availability {
    let Some(full) = canonical(reference) else { return Availability::Invalid };
    let delivered = |node: &super::super::world::Node| node.images.iter().any(|image| same(image, &full));
    let here = world.nodes.get(node).is_some_and(delivered);
    let present = here || pulled(&full);
    if policy == "Never" && !present {
        return Availability::NeverPulled;
    }
    if fault {
        return Availability::Fails(not_found(&full));
    }
    if present && policy != "Always" {
        return Availability::Present;
    }
    let built = world.nodes.values().flat_map(|node| &node.images).filter_map(|image| canonical(image));
    if built.into_iter().any(|image| repository(&image) == repository(&full)) {
        return Availability::Fails(denied(&full));
    }
    Availability::Pullable
}

fn same(delivered: &str, full: &str) -> bool {
    delivered == full || canonical(delivered).is_some_and(|delivered| delivered == full)
}

fn not_found(full: &str) -> String {
    format!("rpc error: code = NotFound desc = {}: {full}: not found", unpack(full))
}

/// An image that was built here and not pushed: the registry knows nothing of it.
fn denied(full: &str) -> String {
    if !full.starts_with("docker.io/") {
        return not_found(full);
    }
    format!(
        "{}: pull access denied, repository does not exist or may require authorization: \
         server message: insufficient_scope: authorization failed",
        unpack(full)
    )
}

fn unpack(full: &str) -> String {
    format!("failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_name_an_image_in_several_ways() {
        let names = repository_names("you/web:1");
        assert!(["web", "you/web", "docker.io/you/web"].iter().all(|name| names.contains(&(*name).to_owned())));
    }
}
