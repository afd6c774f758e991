//! What is known only when a check runs.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::checks::RANDOM;

/// Values by the name that stands between braces.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Placeholders(BTreeMap<String, Value>);

impl Placeholders {
    /// Begins with a number that is new each time.
    pub fn new(random: String) -> Self {
        Self(BTreeMap::from([(RANDOM.to_owned(), Value::String(random))]))
    }

    pub fn keep(&mut self, name: &str, value: Value) {
        self.0.insert(name.into(), value);
    }

    /// Fills a text; braces around anything else stay.
    pub fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&braced(name), &plain(value)))
    }

    /// Fills the path of a request: what is filled in is encoded.
    pub fn path(&self, path: &str) -> String {
        let encode = |value: &Value| {
            percent_encoding::utf8_percent_encode(&plain(value), percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        self.0.iter().fold(path.to_owned(), |path, (name, value)| path.replace(&braced(name), &encode(value)))
    }

    /// Fills every text of a document. A text that is nothing but a placeholder becomes the value itself, a number
    /// for example.
    pub fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let whole = self.0.iter().find(|(name, _)| *text == braced(name));
                whole.map_or_else(|| self.text(text).into(), |(_, value)| value.clone())
            }
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), self.json(value))).collect(),
            other => other.clone(),
        }
    }
}

fn braced(name: &str) -> String {
    format!("{{{name}}}")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_paths_and_documents_are_filled() {
        let mut known = Placeholders::new("123".into());
        known.keep("id", json!(17));
        known.keep("name", json!("a/b c"));
        assert_eq!(known.text("SELECT '{id}' {x} {name} {random}"), "SELECT '17' {x} a/b c 123");
        assert_eq!(known.path("items/{id}?name={name}"), "items/17?name=a%2Fb%20c");
        let filled = known.json(&json!({"id": "{id}", "text": "no {id}", "list": ["{name}", 1]}));
        assert_eq!(filled, json!({"id": 17, "text": "no 17", "list": ["a/b c", 1]}));
    }
}
