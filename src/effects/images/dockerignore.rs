//! `.dockerignore`: what of a folder is not sent to the builder
//! (<https://docs.docker.com/build/concepts/context/#dockerignore-files>).

use glob::{MatchOptions, Pattern};

const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// The rules of a `.dockerignore`, in their order.
#[derive(Debug, Default)]
pub struct Dockerignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// It takes back what an earlier rule ignores.
    keeps: bool,
}

impl Dockerignore {
    /// Reads the rules; lines that are no pattern match nothing.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { rules: lines.filter_map(rule).collect() }
    }

    /// Whether a path, relative to the folder and with `/` between its parts, is left out. A rule about a folder holds
    /// for everything in it; the last rule that matches counts.
    pub fn ignores(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let parts: Vec<_> = ends.map(|end| &path[..end]).collect();
        let matches = |rule: &&Rule| parts.iter().any(|part| rule.pattern.matches_with(part, OPTIONS));
        self.rules.iter().rev().find(matches).is_some_and(|rule| !rule.keeps)
    }

    /// Whether nothing in an ignored folder can be taken back.
    pub fn only_ignores(&self) -> bool {
        self.rules.iter().all(|rule| !rule.keeps)
    }
}

fn rule(line: &str) -> Option<Rule> {
    let (keeps, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
    let parts = line.split('/').filter(|part| !part.is_empty() && *part != ".");
    // `**` stands for folders only where it is alone between slashes.
    let parts: Vec<_> = parts.map(|part| if part == "**" { part.into() } else { part.replace("**", "*") }).collect();
    let pattern = Pattern::new(&parts.join("/")).ok()?;
    Some(Rule { pattern, keeps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, ignored: &[&str], kept: &[&str]) {
        let rules = Dockerignore::parse(text);
        for path in ignored {
            assert!(rules.ignores(path), "{path} is not ignored by {text:?}");
        }
        for path in kept {
            assert!(!rules.ignores(path), "{path} is ignored by {text:?}");
        }
    }

    #[test]
    fn patterns_begin_at_the_folder() {
        case("target\n# *.md\n\n/tests/", &["target", "target/debug/x", "tests/a.rs"], &["src/target", "a.md"]);
        case("*.log", &["a.log"], &["logs/a.log"]);
        case("**/*.log", &["a.log", "logs/deep/a.log"], &["a.logs"]);
        case("*/temp*", &["a/temporary", "a/temp/x"], &["temp", "a/b/temp"]);
        case("**", &["a", "a/b"], &[]);
    }

    #[test]
    fn the_last_rule_that_matches_counts() {
        case("*.md\n!README.md", &["NOTES.md"], &["README.md"]);
        case("!README.md\n*.md", &["README.md"], &[]);
        case("docs\n!docs/keep", &["docs/x"], &["docs/keep"]);
        case("[", &[], &["["]);
    }
}
