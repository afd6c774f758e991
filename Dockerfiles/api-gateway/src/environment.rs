//! Reads environment variables, and notes every one that is missing or wrong.

use std::str::FromStr;

#[derive(Default)]
pub struct Environment {
    problems: Vec<String>,
}

impl Environment {
    pub fn text(&mut self, name: &str) -> String {
        match std::env::var(name) {
            Ok(value) if !value.is_empty() => value,
            _ => self.problem(format!("{name} is not set")),
        }
    }

    pub fn number<T: FromStr + Default>(&mut self, name: &str) -> T {
        let text = self.text(name);
        match text.parse() {
            Ok(number) => number,
            Err(_) if text.is_empty() => T::default(),
            Err(_) => self.problem(format!("{name} is `{text}`, which is not a number that fits")),
        }
    }

    /// Returns what was made of the values, or all that was wrong with them in one line.
    pub fn finish<T>(self, settings: T) -> Result<T, String> {
        if self.problems.is_empty() { Ok(settings) } else { Err(self.problems.join("; ")) }
    }

    pub fn problem<T: Default>(&mut self, problem: String) -> T {
        self.problems.push(problem);
        T::default()
    }
}
