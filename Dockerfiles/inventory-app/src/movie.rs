//! A movie, and what a client may say about one.

use serde::Serialize;
use serde_json::Value;

pub const TITLE: usize = 200;
const DESCRIPTION: usize = 2000;

#[derive(Serialize, sqlx::FromRow)]
pub struct Movie {
    id: i64,
    title: String,
    description: Option<String>,
}

impl Movie {
    pub fn id(&self) -> i64 {
        self.id
    }
}

/// A movie without its id. Lengths are counted in characters.
#[derive(Debug, PartialEq)]
pub struct Draft {
    pub title: String,
    pub description: Option<String>,
}

impl Draft {
    /// Reads `{"title": .., "description": ..}`; fields of other names are ignored. The error lists every problem.
    pub fn from_json(body: &Value) -> Result<Self, Vec<String>> {
        let Value::Object(fields) = body else {
            return Err(vec!["a movie is a JSON object with a `title`".into()]);
        };
        let mut problems = Vec::new();
        let mut text = |name, longest| match fields.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                problems.extend(check(name, text, longest));
                Some(text.clone())
            }
            Some(_) => {
                problems.push(format!("`{name}` must be a string"));
                Some(String::new())
            }
        };
        let (title, description) = (text("title", TITLE), text("description", DESCRIPTION));
        match title {
            None => problems.push("`title` is missing".into()),
            Some(title) if problems.is_empty() && title.trim().is_empty() => problems.push("`title` is empty".into()),
            Some(title) if problems.is_empty() => return Ok(Self { title, description }),
            Some(_) => (),
        }
        Err(problems)
    }
}

/// Says what PostgreSQL or the limits have against a text.
pub fn check(name: &str, text: &str, longest: usize) -> Option<String> {
    let length = text.chars().count();
    if length > longest {
        Some(format!("`{name}` has {length} characters, {longest} are allowed"))
    } else if text.contains('\0') {
        Some(format!("`{name}` has a NUL character"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn refused(body: Value, problems: &[&str]) {
        assert_eq!(Draft::from_json(&body).unwrap_err(), problems);
    }

    #[test]
    fn a_title_is_enough() {
        let movie = Draft::from_json(&json!({ "title": "Ran", "id": 7, "year": 1985 })).unwrap();
        assert_eq!(movie, Draft { title: "Ran".into(), description: None });
        assert!(Draft::from_json(&json!({ "title": "é".repeat(200), "description": null })).is_ok());
    }

    #[test]
    fn what_is_refused_says_why() {
        refused(json!([]), &["a movie is a JSON object with a `title`"]);
        refused(json!({}), &["`title` is missing"]);
        refused(json!({ "title": " " }), &["`title` is empty"]);
        refused(json!({ "title": "a\0b" }), &["`title` has a NUL character"]);
        refused(
            json!({ "title": 1984, "description": [] }),
            &["`title` must be a string", "`description` must be a string"],
        );
        refused(
            json!({ "title": "x".repeat(201), "description": "x".repeat(2001) }),
            &["`title` has 201 characters, 200 are allowed", "`description` has 2001 characters, 2000 are allowed"],
        );
    }
}
