//! "Did you mean": the name that was probably meant.

/// Returns the candidate that `word` is most likely a misspelling of.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= tolerance(candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns `did you mean ..?`, or else the list of what is allowed.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(candidate) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let all = listed(candidates);
    (!all.is_empty()).then(|| format!("possible here: {all}"))
}

/// Returns the names in backticks, separated by commas.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Returns whether two names differ only in notation.
pub(crate) fn same_word(a: &str, b: &str) -> bool {
    plain(a) == plain(b)
}

fn distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

/// One slip for every three letters: `servers` may be two letters off, `cpus` one.
fn tolerance(candidate: &str) -> usize {
    (candidate.chars().count() / 3).max(1)
}

/// `instance_type`, `instanceType` and `instance-type` are the same word.
fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).take(64).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, ["servers", "agents", "name", "instance-type"]), expected);
    }

    #[test]
    fn misspellings_are_recognised() {
        case("server", Some("servers"));
        case("agnets", Some("agents"));
        case("instanceType", Some("instance-type"));
        case("instance_type", Some("instance-type"));
    }

    #[test]
    fn other_words_are_not() {
        case("provider", None);
        case("", None);
        case("x", None);
    }
}
