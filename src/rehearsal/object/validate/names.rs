//! Syntax of names, labels, ports and paths. Each check returns the rules that are broken, in the real server's words.

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
    end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
    start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SERVICE_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
    character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
    '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
    character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
    'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";
const EMPTY: &str = "must be non-empty";

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

/// Tells whether `text` starts and ends with an `edge` byte and has only `inner` ones between.
fn shaped(text: &str, edge: fn(u8) -> bool, inner: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    edge(*first) && edge(*last) && bytes.iter().all(|byte| inner(*byte))
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    shaped(text, lower, |byte| lower(byte) || byte == b'-')
}

fn is_qualified(text: &str) -> bool {
    shaped(text, |byte| byte.is_ascii_alphanumeric(), |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn broken(text: &str, limit: usize, fits: bool, rule: &str) -> Vec<String> {
    let long = (text.len() > limit).then(|| too_long(limit));
    let wrong = (!fits).then(|| rule.to_owned());
    long.into_iter().chain(wrong).collect()
}

/// Names of namespaces, containers and volumes.
pub fn label(text: &str) -> Vec<String> {
    broken(text, 63, is_label(text), LABEL)
}

/// Names of most objects.
pub fn subdomain(text: &str) -> Vec<String> {
    broken(text, 253, text.split('.').all(is_label), SUBDOMAIN)
}

/// Names of services.
pub fn service(text: &str) -> Vec<String> {
    let fits = is_label(text) && text.as_bytes()[0].is_ascii_lowercase();
    broken(text, 63, fits, SERVICE_LABEL)
}

/// Names of roles and their bindings, which are only parts of a path.
pub fn path_segment(text: &str) -> Vec<String> {
    match text {
        "." | ".." => vec![format!("may not be '{text}'")],
        _ => ["/", "%"]
            .into_iter()
            .filter(|part| text.contains(part))
            .map(|part| format!("may not contain '{part}'"))
            .collect(),
    }
}

/// Keys of labels and annotations: a name, perhaps behind a domain and a slash.
pub fn qualified(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some((prefix, name)) => (Some(prefix), name),
    };
    let mut problems = Vec::new();
    match prefix {
        Some("") => problems.push(format!("prefix part {EMPTY}")),
        Some(prefix) => problems.extend(subdomain(prefix).into_iter().map(|why| format!("prefix part {why}"))),
        None => {}
    }
    if name.is_empty() {
        problems.push(format!("name part {EMPTY}"));
    } else if name.len() > 63 {
        problems.push(format!("name part {}", too_long(63)));
    }
    if !is_qualified(name) {
        problems.push(format!("name part {QUALIFIED}"));
    }
    problems
}

/// Values of labels.
pub fn label_value(text: &str) -> Vec<String> {
    broken(text, 63, text.is_empty() || is_qualified(text), LABEL_VALUE)
}

/// Keys of config maps and secrets.
pub fn config_key(text: &str) -> Vec<String> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let mut problems = broken(text, 253, fits, CONFIG_KEY);
    if text == "." || text == ".." {
        problems.push(format!("must not be '{text}'"));
    } else if text.starts_with("..") {
        problems.push("must not start with '..'".into());
    }
    problems
}

/// Names of environment variables.
pub fn env_name(text: &str) -> Vec<String> {
    let fits = text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    broken(text, usize::MAX, fits, ENV_NAME)
}

/// Names of ports.
pub fn port_name(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut rule = |is_broken: bool, why: &str| {
        if is_broken {
            problems.push(why.to_owned());
        }
    };
    rule(text.len() > 15, "must be no more than 15 characters");
    rule(
        !text.bytes().all(|byte| lower(byte) || byte == b'-'),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    rule(!text.bytes().any(|byte| byte.is_ascii_lowercase()), "must contain at least one letter (a-z)");
    rule(text.contains("--"), "must not contain consecutive hyphens");
    rule(text.starts_with('-') || text.ends_with('-'), "must not begin or end with a hyphen");
    problems
}

/// Numbers of ports.
pub fn port_number(number: i64) -> Option<String> {
    (!(1..=65535).contains(&number)).then(|| "must be between 1 and 65535, inclusive".into())
}

/// Percentages such as `25%`.
pub fn percent(text: &str) -> Option<String> {
    let fits =
        text.strip_suffix('%').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()));
    (!fits).then(|| {
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
         validation is '[0-9]+%')"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_syntax() {
        for good in ["a", "web-1", "1a"] {
            assert_eq!((label(good), subdomain(good), qualified(good)), (vec![], vec![], vec![]));
        }
        for bad in ["", "A", "-a", "a-", "a_b", "ä"] {
            assert_eq!(label(bad).len(), 1, "{bad}");
            assert_eq!(subdomain(bad).len(), 1, "{bad}");
        }
        assert!(subdomain("a.b-c.d").is_empty() && !subdomain("a..b").is_empty());
        assert!(service("a1").is_empty() && !service("1a").is_empty() && !service("").is_empty());
        assert_eq!(label(&"a".repeat(64)), ["must be no more than 63 characters"]);
    }

    #[test]
    fn keys_and_values_of_labels() {
        assert!(qualified("app.kubernetes.io/name").is_empty());
        assert_eq!(qualified("/x"), ["prefix part must be non-empty"]);
        assert_eq!(qualified("a b").len(), 1);
        assert_eq!(qualified("").len(), 2);
        assert_eq!(qualified("a/b/c").len(), 1);
        assert!(label_value("").is_empty() && label_value("a_B.1").is_empty());
        assert_eq!(label_value("a b").len(), 1);
    }

    #[test]
    fn ports_and_percentages() {
        assert!(port_name("http").is_empty());
        assert_eq!(port_name("80"), ["must contain at least one letter (a-z)"]);
        assert_eq!(port_number(0).as_deref(), Some("must be between 1 and 65535, inclusive"));
        assert!(percent("25%").is_none() && percent("25").is_some() && percent("%").is_some());
    }
}
