use std::env;

use super::super::user::Surroundings;

/// The values of the tokens of ssh_config(5).
pub struct Tokens<'a> {
    pub surroundings: &'a Surroundings,
    /// `%h`: the host name connected to.
    pub hostname: &'a str,
    /// `%n`: the name that was asked for.
    pub name: &'a str,
    /// `%p`
    pub port: u16,
    /// `%r`: who logs in.
    pub user: &'a str,
    /// `%k`
    pub key_alias: Option<&'a str>,
}

impl Tokens<'_> {
    /// Replaces the tokens and `${VARIABLE}` in `text`.
    ///
    /// # Errors
    /// Names what is not known.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        let text = variables(text)?;
        self.expand_tokens(&text)
    }

    /// Replaces the tokens alone.
    ///
    /// # Errors
    /// Names what is not known.
    pub fn expand_tokens(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                expanded.push(letter);
                continue;
            }
            match letters.next() {
                Some('%') => expanded.push('%'),
                Some('d') => expanded.push_str(&self.surroundings.home.to_string_lossy()),
                Some('h') => expanded.push_str(self.hostname),
                Some('i') => expanded.push_str(&rustix::process::getuid().as_raw().to_string()),
                Some('k') => expanded.push_str(self.key_alias.unwrap_or(self.name)),
                Some('l') => expanded.push_str(&this_computer()),
                Some('L') => expanded.push_str(this_computer().split('.').next().unwrap_or_default()),
                Some('n') => expanded.push_str(self.name),
                Some('p') => expanded.push_str(&self.port.to_string()),
                Some('r') => expanded.push_str(self.user),
                Some('u') => expanded.push_str(&self.surroundings.name),
                Some(other) => return Err(format!("the token `%{other}` is not known")),
                None => return Err("it ends with `%`".into()),
            }
        }
        Ok(expanded)
    }
}

fn this_computer() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Replaces `${VARIABLE}`.
fn variables(text: &str) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("`${` is not closed")?;
        let value = env::var(name).map_err(|_| format!("the variable `{name}` is not set"))?;
        expanded = expanded + before + &value;
        rest = after;
    }
    Ok(expanded + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::ssh::testing::surroundings;

    #[track_caller]
    fn case(text: &str, expected: Result<&str, &str>) {
        let surroundings = surroundings();
        let tokens = Tokens {
            surroundings: &surroundings,
            hostname: "10.0.0.4",
            name: "web",
            port: 2222,
            user: "ubuntu",
            key_alias: None,
        };
        assert_eq!(tokens.expand(text), expected.map(Into::into).map_err(Into::into));
    }

    #[test]
    fn tokens_and_variables() {
        case("%d/keys/%n-%r@%h:%p-%u", Ok("/home/ann/keys/web-ubuntu@10.0.0.4:2222-ann"));
        case("100%%", Ok("100%"));
        case("%k", Ok("web"));
        case("%Q", Err("the token `%Q` is not known"));
        case("50%", Err("it ends with `%`"));
        case("${NO_SUCH_VARIABLE_HERE}", Err("the variable `NO_SUCH_VARIABLE_HERE` is not set"));
    }
}
