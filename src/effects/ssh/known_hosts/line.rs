use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    Authority,
    Revoked,
}

/// One entry of a known_hosts file.
pub struct Line {
    pub marker: Option<Marker>,
    names: String,
    pub algorithm: String,
    /// The key in its wire form.
    pub blob: Vec<u8>,
}

impl Line {
    /// Returns the entry, or `None` for an empty line or a comment; fails on what is neither.
    pub fn parse(text: &str) -> Result<Option<Self>, ()> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let mut words = text.split_ascii_whitespace();
        let mut next = || words.next().ok_or(());
        let mut names = next()?;
        let marker = match names {
            "@cert-authority" => Some(Marker::Authority),
            "@revoked" => Some(Marker::Revoked),
            other if other.starts_with('@') => return Err(()),
            _ => None,
        };
        if marker.is_some() {
            names = next()?;
        }
        let algorithm = next()?.to_owned();
        let blob = STANDARD.decode(next()?).map_err(|_| ())?;
        // The wire form begins with the algorithm's name, after its length.
        if blob.get(4..4 + algorithm.len()) != Some(algorithm.as_bytes()) {
            return Err(());
        }
        Ok(Some(Self { marker, names: names.to_owned(), algorithm, blob }))
    }

    /// Whether the entry is about `name`, given in lower case, as `[host]:port` where the port is not 22.
    pub fn names(&self, name: &str) -> bool {
        match self.names.strip_prefix("|1|") {
            Some(hashed) => is_hash_of(hashed, name).unwrap_or(false),
            None => hostname_matches(&self.names, name),
        }
    }
}

/// `salt|hash`: HMAC-SHA1 of the name, keyed with the salt.
fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let mut mac = Hmac::<Sha1>::new_from_slice(&salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.verify_slice(&hash).is_ok())
}

/// Whether a list of patterns matches a host name, of which case does not count.
pub fn hostname_matches(patterns: &str, name: &str) -> bool {
    list_matches(&patterns.to_lowercase(), &name.to_lowercase())
}

/// Whether one of the comma-separated patterns matches and none that begins with `!` does (ssh_config(5), PATTERNS).
pub fn list_matches(patterns: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if wildcard_matches(pattern, name) => return false,
            Some(_) => {}
            None => found |= wildcard_matches(pattern, name),
        }
    }
    found
}

/// `*` is any text, `?` one character.
pub fn wildcard_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<_>, Vec<_>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(letter) if *letter == '?' || *letter == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                n = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(patterns: &str, name: &str, expected: bool) {
        assert_eq!(hostname_matches(patterns, name), expected, "{patterns} {name}");
    }

    #[test]
    fn wildcards_match_as_in_openssh() {
        case("*", "anything", true);
        case("*a*b", "xxaxxab", true);
        case("*a*b", "xxaxxabc", false);
        case("a?c", "abc", true);
        case("a?c", "ac", false);
        case("", "a", false);
        case("a,b,c", "b", true);
        case("!a", "b", false);
    }

    #[test]
    fn hashed_names_are_recognised() {
        // `ssh-keygen -H` of the name `a.example`, its salt and its hash.
        let mut mac = Hmac::<Sha1>::new_from_slice(&[7; 20]).unwrap();
        mac.update(b"[a.example]:2222");
        let hashed = format!("{}|{}", STANDARD.encode([7; 20]), STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(is_hash_of(&hashed, "[a.example]:2222"), Some(true));
        assert_eq!(is_hash_of(&hashed, "a.example"), Some(false));
        assert_eq!(is_hash_of("rubbish", "a"), None);
    }
}
