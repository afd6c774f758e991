//! Versions of K3s.

use super::{Complaint, Format};

/// A K3s release, such as `v1.33.5+k3s1`.
pub const K3S_VERSION: Format = Format {
    name: "k3s-version",
    pattern: "^v[0-9]+\\.[0-9]+\\.[0-9]+(-[a-z0-9.]+)?\\+k3s[0-9]+$",
    example: "v1.33.5+k3s1",
    check: k3s_version,
};

const CHANNELS: [&str; 3] = ["stable", "latest", "testing"];

fn k3s_version(text: &str) -> Result<(), Complaint> {
    if CHANNELS.contains(&text) {
        let why = "a version makes every machine the same, today and next month: `v1.33.5+k3s1`";
        return Err(Complaint::new("is a release channel, not a version").hint(why));
    }
    let (kubernetes, build) = match text.split_once('+') {
        Some((kubernetes, build)) => (kubernetes, Some(build)),
        None => (text, None),
    };
    if !is_kubernetes(kubernetes.strip_prefix('v').unwrap_or(kubernetes)) {
        return Err(Complaint::new("is not a K3s version").hint("a version looks like `v1.33.5+k3s1`"));
    }
    let full = format!("v{}+{}", kubernetes.trim_start_matches('v'), build.unwrap_or("k3s1"));
    match build {
        None => Err(Complaint::new("lacks the K3s part of the version").hint(format!("did you mean `{full}`?"))),
        Some(build) if !is_k3s(build) => Err(Complaint::new("does not end as a K3s version does")
            .hint("after the `+` comes `k3s` and a number: `v1.33.5+k3s1`")),
        Some(_) if !text.starts_with('v') => {
            Err(Complaint::new("lacks the `v` in front").hint(format!("did you mean `{full}`?")))
        }
        Some(_) => Ok(()),
    }
}

fn is_kubernetes(version: &str) -> bool {
    let (numbers, candidate) = version.split_once('-').unwrap_or((version, "rc1"));
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.';
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && !candidate.is_empty()
        && candidate.chars().all(sound)
}

fn is_k3s(build: &str) -> bool {
    build.strip_prefix("k3s").is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, hint: &str) {
        let complaint = k3s_version(text).expect_err("not a version");
        assert!(complaint.hint.as_deref().is_some_and(|found| found.contains(hint)), "{complaint:?}");
    }

    #[test]
    fn releases_and_candidates_are_accepted() {
        assert_eq!(k3s_version("v1.33.5+k3s1"), Ok(()));
        assert_eq!(k3s_version("v1.34.0-rc2+k3s10"), Ok(()));
    }

    #[test]
    fn what_is_nearly_a_version_is_completed() {
        case("v1.33.5", "`v1.33.5+k3s1`");
        case("1.33.5", "`v1.33.5+k3s1`");
        case("1.32.1+k3s2", "`v1.32.1+k3s2`");
        case("v1.33.5+rke2r1", "k3s");
        case("latest", "every machine");
        case("1.33", "looks like");
        case("", "looks like");
    }
}
