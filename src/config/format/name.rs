//! Names of clusters, machines, namespaces, secrets and their keys.

use super::{Complaint, Format};

/// A DNS label as RFC 1123 has it: what Kubernetes accepts for namespaces and nodes.
pub const DNS_LABEL: Format =
    Format { name: "dns-label", pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example: "my-app", check: dns_label };

/// A DNS subdomain as RFC 1123 has it: what Kubernetes accepts for most object names.
pub const DNS_SUBDOMAIN: Format = Format {
    name: "dns-subdomain",
    pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
    example: "orders-database",
    check: dns_subdomain,
};

/// A key of a Secret or ConfigMap.
pub const SECRET_KEY: Format =
    Format { name: "secret-key", pattern: "^[-._a-zA-Z0-9]{1,253}$", example: "POSTGRES_PASSWORD", check: secret_key };

/// The name of an environment variable, as POSIX shells accept it.
pub const ENVIRONMENT_VARIABLE: Format = Format {
    name: "environment-variable",
    pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
    example: "DATABASE_PASSWORD",
    check: environment_variable,
};

const LABEL_RULE: &str =
    "a name is made of lower-case letters, digits and hyphens, and begins and ends with a letter or digit";

fn dns_label(text: &str) -> Result<(), Complaint> {
    if text.len() > 63 {
        return Err(Complaint::new(format!("has {} characters; a DNS label has at most 63", text.len())));
    }
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    check_characters(text, sound)
}

fn dns_subdomain(text: &str) -> Result<(), Complaint> {
    if text.len() > 253 {
        return Err(Complaint::new(format!("has {} characters; an object's name has at most 253", text.len())));
    }
    text.split('.').try_for_each(|label| {
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        check_characters(label, sound)
    })
}

fn check_characters(label: &str, sound: impl Fn(char) -> bool) -> Result<(), Complaint> {
    let complaint = if label.is_empty() {
        Complaint::new("is empty where a name should be")
    } else if let Some(bad) = label.chars().find(|c| !sound(*c)) {
        Complaint::new(format!("has {}, which no DNS label may have", described(bad)))
    } else if label.starts_with('-') || label.ends_with('-') {
        Complaint::new("begins or ends with a hyphen")
    } else {
        return Ok(());
    };
    Err(complaint.hint(match repaired(label) {
        Some(name) => format!("{LABEL_RULE}: `{name}`"),
        None => LABEL_RULE.to_owned(),
    }))
}

fn described(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        'A'..='Z' => format!("the capital `{c}`"),
        _ => format!("`{c}`"),
    }
}

/// Returns the nearest valid label: `My_App` becomes `my-app`.
fn repaired(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let plain: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = plain.trim_matches('-');
    (!name.is_empty() && name != text).then(|| name.to_owned())
}

fn secret_key(text: &str) -> Result<(), Complaint> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let rule = "a key is made of letters, digits, `-`, `_` and `.`, at most 253 of them";
    if (1..=253).contains(&text.len()) && text.chars().all(sound) {
        return Ok(());
    }
    Err(Complaint::new("cannot be a key of a Secret").hint(rule))
}

fn environment_variable(text: &str) -> Result<(), Complaint> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    let rule = "it names a variable, such as `DATABASE_PASSWORD`, without `$`";
    Err(Complaint::new("cannot be the name of an environment variable").hint(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_label_is_told_the_rule_and_a_good_one() {
        let complaint = dns_label("My_App").expect_err("two bad characters");
        assert_eq!(complaint.message, "has the capital `M`, which no DNS label may have");
        assert!(complaint.hint.is_some_and(|hint| hint.ends_with("`my-app`")));
    }

    #[test]
    fn the_edges_of_labels() {
        assert!(dns_label(&"a".repeat(63)).is_ok());
        assert!(dns_label(&"a".repeat(64)).is_err());
        assert!(dns_label("a-").is_err());
        assert!(dns_label("").is_err());
        assert!(dns_subdomain("a.b-c.d").is_ok());
        assert!(dns_subdomain("a..b").is_err());
    }
}
