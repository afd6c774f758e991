//! Label selectors, in the whole grammar of the query parameter.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rehearsal::object::status::Status;

type Labels = BTreeMap<String, String>;

#[derive(Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Greater(String, i64),
    Less(String, i64),
}

/// A label selector: all of its requirements must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

impl Selector {
    /// Reads a selector as `app=web,tier in (a, b),!old,n>1`. Nothing selects everything.
    ///
    /// # Errors
    /// 400 with the place that cannot be read.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let mut tokens = Tokens::new(text);
        let mut requirements = Vec::new();
        while tokens.peek().is_some() {
            if !requirements.is_empty() {
                tokens.expect(",", text)?;
            }
            requirements.push(requirement(&mut tokens, text)?);
        }
        Ok(Self(requirements))
    }

    /// Reads a `LabelSelector` object, as PodDisruptionBudgets hold; an empty one selects everything.
    pub fn of_object(selector: &Value) -> Self {
        let equal = selector["matchLabels"].as_object().into_iter().flatten();
        let mut requirements: Vec<_> =
            equal.map(|(key, value)| Requirement::In(key.clone(), vec![word(value)])).collect();
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let key = word(&expression["key"]);
            let values = expression["values"].as_array().into_iter().flatten().map(word).collect();
            requirements.push(match expression["operator"].as_str() {
                Some("In") => Requirement::In(key, values),
                Some("NotIn") => Requirement::NotIn(key, values),
                Some("DoesNotExist") => Requirement::Absent(key),
                _ => Requirement::Exists(key),
            });
        }
        Self(requirements)
    }

    /// Returns whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        let number = |key| labels.get(key).and_then(|value: &String| value.parse::<i64>().ok());
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
            Self::Greater(key, than) => number(key).is_some_and(|value| value > *than),
            Self::Less(key, than) => number(key).is_some_and(|value| value < *than),
        }
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn unreadable(text: &str, found: Option<&str>, expected: &str) -> Status {
    let found = found.unwrap_or_default();
    Status::bad_request(format!(
        "unable to parse requirement: found '{found}', expected: {expected} in selector {text:?}"
    ))
}

fn requirement(tokens: &mut Tokens, text: &str) -> Result<Requirement, Status> {
    if tokens.take("!") {
        return Ok(Requirement::Absent(tokens.word(text, "identifier")?));
    }
    let key = tokens.word(text, "!, identifier, or 'end of string'")?;
    let operator = match tokens.peek() {
        None | Some(",") => return Ok(Requirement::Exists(key)),
        Some(operator) => operator.to_owned(),
    };
    tokens.next();
    match operator.as_str() {
        "=" | "==" => Ok(Requirement::In(key, vec![tokens.value()])),
        "!=" => Ok(Requirement::NotIn(key, vec![tokens.value()])),
        "in" => Ok(Requirement::In(key, tokens.set(text)?)),
        "notin" => Ok(Requirement::NotIn(key, tokens.set(text)?)),
        ">" | "<" => {
            let value = tokens.word(text, "an integer")?;
            let number = value.parse().map_err(|_| unreadable(text, Some(&value), "an integer"))?;
            Ok(if operator == ">" { Requirement::Greater(key, number) } else { Requirement::Less(key, number) })
        }
        other => Err(unreadable(text, Some(other), "in, notin, =, ==, !=, gt, lt")),
    }
}

struct Tokens<'a>(std::iter::Peekable<std::vec::IntoIter<&'a str>>);

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let length = token_length(rest);
            tokens.push(&rest[..length]);
            rest = rest[length..].trim_start();
        }
        Self(tokens.into_iter().peekable())
    }

    fn peek(&mut self) -> Option<&'a str> {
        self.0.peek().copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn take(&mut self, token: &str) -> bool {
        self.0.next_if_eq(&token).is_some()
    }

    fn expect(&mut self, token: &str, text: &str) -> Result<(), Status> {
        if self.take(token) { Ok(()) } else { Err(unreadable(text, self.peek(), &format!("'{token}'"))) }
    }

    fn word(&mut self, text: &str, expected: &str) -> Result<String, Status> {
        match self.peek() {
            Some(token) if !is_symbol(token) => {
                self.next();
                Ok(token.to_owned())
            }
            other => Err(unreadable(text, other, expected)),
        }
    }

    /// The value after an equals sign, which may be empty.
    fn value(&mut self) -> String {
        self.0.next_if(|token| !is_symbol(token)).unwrap_or_default().to_owned()
    }

    fn set(&mut self, text: &str) -> Result<Vec<String>, Status> {
        self.expect("(", text)?;
        let mut values = vec![self.value()];
        while self.take(",") {
            values.push(self.value());
        }
        self.expect(")", text)?;
        Ok(values)
    }
}

const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn is_symbol(token: &str) -> bool {
    SYMBOLS.contains(&token)
}

fn token_length(text: &str) -> usize {
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| text.starts_with(**symbol)) {
        return symbol.len();
    }
    text.find(|c: char| c.is_whitespace() || "=!(),><".contains(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = [("app", "web"), ("tier", "front"), ("n", "5"), ("empty", "")];
        let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Selector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn the_whole_grammar_selects() {
        for yes in [
            "",
            "app=web",
            "app==web,tier=front",
            "app",
            "!old",
            "app in (api, web)",
            "app notin (api)",
            "old notin (x)",
            "old!=x",
            "n>4",
            "n < 6",
            "empty=",
            "empty in ()",
            "app in (web),tier",
            " app = web , tier != back ",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in ["app=api", "!app", "old", "app notin (web)", "app!=web", "n>5", "app>1", "app in (api)", "old=x"] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in ["=web", "app in web", "app in (web", "a b", "a,,b", "n>x", "!", "app=web,=x"] {
            assert_eq!(Selector::parse(wrong).map_err(|status| status.code()), Err(400), "{wrong}");
        }
    }

    #[test]
    fn selector_objects_select() {
        let labels: Labels = [("app".to_owned(), "web".to_owned())].into();
        let expression = |operator| serde_json::json!({"matchExpressions": [{"key": "app", "operator": operator, "values": ["web"]}]});
        assert!(Selector::of_object(&serde_json::json!({"matchLabels": {"app": "web"}})).matches(&labels));
        assert!(Selector::of_object(&expression("In")).matches(&labels));
        assert!(!Selector::of_object(&expression("NotIn")).matches(&labels));
        assert!(!Selector::of_object(&expression("DoesNotExist")).matches(&labels));
    }
}
