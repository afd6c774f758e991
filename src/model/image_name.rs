//! References to container images, as container runtimes read them (github.com/distribution/reference).

/// Returns the full reference (`web` is `docker.io/library/web:latest`), or `None` for a malformed one.
pub fn canonical(reference: &str) -> Option<String> {
    let (named, digest) = reference.split_once('@').map_or((reference, None), |(named, digest)| (named, Some(digest)));
    let slash = named.rfind('/').map_or(0, |at| at + 1);
    let (repository, tag) = match named[slash..].find(':') {
        Some(at) => (&named[..slash + at], Some(&named[slash + at + 1..])),
        None => (named, None),
    };
    let (domain, path) = match repository.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest.to_owned()),
        Some(_) => ("docker.io", repository.to_owned()),
        None => ("docker.io", format!("library/{repository}")),
    };
    let valid = path.split('/').all(valid_component) && tag.is_none_or(valid_tag) && digest.is_none_or(valid_digest);
    let suffix = match (tag, digest) {
        (_, Some(digest)) => format!("@{digest}"),
        (tag, None) => format!(":{}", tag.unwrap_or("latest")),
    };
    valid.then(|| format!("{domain}/{path}{suffix}"))
}

fn valid_component(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.ends_with(plain) && text.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
}

fn valid_tag(tag: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    tag.len() <= 128 && tag.chars().all(inner) && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

fn valid_digest(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:");
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns the repository of a full reference: without tag and digest.
pub fn repository(canonical: &str) -> &str {
    let named = canonical.split('@').next().unwrap_or(canonical);
    let slash = named.rfind('/').map_or(0, |at| at + 1);
    named[slash..].find(':').map_or(named, |at| &named[..slash + at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_references_are_completed_as_the_runtime_does() {
        let case = |reference, full: &str| assert_eq!(canonical(reference).as_deref(), Some(full));
        case("postgres:15-alpine", "docker.io/library/postgres:15-alpine");
        case("you/web", "docker.io/you/web:latest");
        case("localhost:5000/web:1", "localhost:5000/web:1");
        case("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1");
        for malformed in ["", "Web", "web:", "web:a b", "web::1", "a//b", "web@sha256:12"] {
            assert_eq!(canonical(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn a_digest_takes_the_place_of_the_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let full = canonical(&format!("web:1@{digest}")).unwrap();
        assert_eq!(full, format!("docker.io/library/web@{digest}"));
        assert_eq!(repository(&full), "docker.io/library/web");
    }
}
