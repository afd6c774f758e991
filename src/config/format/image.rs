//! Names of container images and of registries.

use super::{Complaint, Format};

/// The repository part of an image's reference, without registry and tag.
pub const IMAGE_NAME: Format = Format {
    name: "image-name",
    pattern: "^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$",
    example: "api-gateway",
    check: image_name,
};

/// The tag of an image.
pub const IMAGE_TAG: Format =
    Format { name: "image-tag", pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", example: "1.4.0", check: image_tag };

/// A registry and the path in it that images are pushed to.
pub const REGISTRY: Format = Format {
    name: "registry",
    pattern: "^[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9._/-]+)?$",
    example: "docker.io/you",
    check: registry,
};

fn image_name(text: &str) -> Result<(), Complaint> {
    if let Some((name, tag)) = text.split_once(':') {
        return Err(Complaint::new("has a tag").hint(format!(
            "an image is named here without its tag: `{name}`; `tag = \"{tag}\"` in `[images]` sets it for all"
        )));
    }
    if text.split('/').all(is_component) {
        return Ok(());
    }
    let rule = "it is made of lower-case letters and digits, with single `.`, `_` or hyphens between them";
    Err(Complaint::new("cannot be the name of an image").hint(rule))
}

/// Separators are one dot, one or two underscores, or any number of hyphens (OCI distribution specification).
fn is_component(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = text.split(word).filter(|separator| !separator.is_empty());
    text.starts_with(word)
        && text.ends_with(word)
        && separators.into_iter().all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|byte| byte == b'-'))
}

fn image_tag(text: &str) -> Result<(), Complaint> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if begins && text.len() <= 128 && text.chars().all(sound) {
        return Ok(());
    }
    let rule = "a tag has at most 128 letters, digits, `_`, `.` and `-`, and begins with neither `.` nor `-`";
    Err(Complaint::new("cannot be a tag").hint(rule))
}

fn registry(text: &str) -> Result<(), Complaint> {
    if let Some((_, rest)) = text.split_once("://") {
        let without = rest.trim_end_matches('/');
        return Err(Complaint::new("is a URL").hint(format!("write the registry without its scheme: `{without}`")));
    }
    let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
    let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    let sound_host = super::host::is_hostname(host);
    let sound_port = port
        .is_none_or(|port| port.len() <= 5 && port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('+'));
    let sound_path = path.is_none_or(|path| path.split('/').all(is_component));
    if sound_host && sound_port && sound_path {
        return Ok(());
    }
    Err(Complaint::new("is not a registry")
        .hint("write a host and a path, such as `docker.io/you` or `localhost:5000`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names() {
        for name in ["api", "team/api-gateway", "a__b", "a--b", "a.b"] {
            assert_eq!(image_name(name), Ok(()), "{name}");
        }
        for name in ["", "Api", "a..b", "a___b", "-a", "a/", "a b", "api:1"] {
            assert!(image_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn registries() {
        for name in ["docker.io/you", "localhost:5000", "ghcr.io/org/team", "10.0.0.1:5000/x"] {
            assert_eq!(registry(name), Ok(()), "{name}");
        }
        for name in ["", "https://docker.io", "docker.io/", "docker.io/You", "host:0", "host:99999", "/x"] {
            assert!(registry(name).is_err(), "{name}");
        }
    }
}
