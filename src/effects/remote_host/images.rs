//! What `ctr` says of a node's images.

use crate::model::image::NodeImages;

/// Reads the table of `ctr images check` and, after a blank line, the digests of all parts.
pub fn images(text: &str) -> NodeImages {
    let (table, digests) = text.split_once("\n\n").unwrap_or((text, ""));
    let complete = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let (name, digest) = (*words.first()?, *words.get(2)?);
        (*words.get(3)? == "complete").then(|| (name.to_owned(), digest.to_owned()))
    };
    let digests = digests.lines().map(str::trim).filter(|line| !line.is_empty());
    NodeImages { complete: table.lines().filter_map(complete).collect(), blobs: digests.map(Into::into).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_images_count() {
        let text = "REF TYPE DIGEST STATUS SIZE UNPACKED\n\
            docker.io/library/web:1 application/vnd.oci.image.manifest.v1+json sha256:aa complete (4/4) 2.6 MiB/2.6 MiB true\n\
            docker.io/library/shop:1 application/vnd.oci.image.manifest.v1+json sha256:bb incomplete (3/4) 1 MiB/2 MiB false\n\n\
            sha256:aa\nsha256:cc\n";
        let images = images(text);
        assert_eq!(
            images.complete.into_iter().collect::<Vec<_>>(),
            [("docker.io/library/web:1".into(), "sha256:aa".into())]
        );
        assert_eq!(images.blobs.into_iter().collect::<Vec<_>>(), ["sha256:aa", "sha256:cc"]);
    }

    #[test]
    fn a_node_without_images_has_none() {
        assert_eq!(images("REF TYPE DIGEST STATUS SIZE UNPACKED\n\n"), NodeImages::default());
    }
}
