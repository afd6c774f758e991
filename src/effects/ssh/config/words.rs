/// One line of a configuration file.
pub struct Line<'a> {
    /// In lower case.
    pub keyword: String,
    /// Everything after the keyword, as it stands.
    pub rest: &'a str,
    pub arguments: Vec<String>,
}

impl<'a> Line<'a> {
    /// Takes a line apart; `None` for an empty line or a comment. Fails on a quote that is not closed.
    pub fn parse(text: &'a str) -> Result<Option<Self>, String> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let end = text.find(|letter: char| letter.is_ascii_whitespace() || letter == '=').unwrap_or(text.len());
        let (keyword, rest) = text.split_at(end);
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        let arguments = if is_command(keyword) { Vec::new() } else { split(rest)? };
        Ok(Some(Self { keyword: keyword.to_lowercase(), rest, arguments }))
    }
}

/// These take the rest of their line as it is.
fn is_command(keyword: &str) -> bool {
    ["proxycommand", "localcommand", "remotecommand", "knownhostscommand"]
        .iter()
        .any(|command| command.eq_ignore_ascii_case(keyword))
}

/// Splits into words. Both quotes keep spaces; a backslash keeps a quote, a space or itself; `#` ends it.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == letter => quote = None,
            (_, '\\') => {
                let kept = letters
                    .peek()
                    .copied()
                    .filter(|next| matches!(next, '"' | '\'' | '\\') || quote.is_none() && *next == ' ');
                if kept.is_some() {
                    letters.next();
                }
                word.get_or_insert_default().push(kept.unwrap_or('\\'));
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".into());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, keyword: &str, arguments: &[&str]) {
        let line = Line::parse(text).unwrap().unwrap();
        assert_eq!((line.keyword.as_str(), &line.arguments[..]), (keyword, &arguments.map_owned()[..]));
    }

    trait MapOwned {
        fn map_owned(&self) -> Vec<String>;
    }

    impl MapOwned for [&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|word| (*word).to_owned()).collect()
        }
    }

    #[test]
    fn keywords_and_arguments() {
        case("Port 22", "port", &["22"]);
        case("\tPORT=22", "port", &["22"]);
        case("Port = 22 # the usual", "port", &["22"]);
        case("Host a b  !c", "host", &["a", "b", "!c"]);
        case("IdentityFile \"~/my keys/id\"", "identityfile", &["~/my keys/id"]);
        case(r"IdentityFile my\ key", "identityfile", &["my key"]);
        case("User ''", "user", &[""]);
        case("User", "user", &[]);
        assert!(Line::parse("User \"ann").is_err());
        assert!(Line::parse("  # x").unwrap().is_none());
    }

    #[test]
    fn a_command_is_the_rest_of_the_line() {
        let line = Line::parse("ProxyCommand = nc -x \"a b\" %h %p # all of it").unwrap().unwrap();
        assert_eq!(line.rest, "nc -x \"a b\" %h %p # all of it");
    }
}
