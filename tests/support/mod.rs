//! What tests that run kubectl share.

#![allow(dead_code, reason = "each test uses a part")]

use std::{
    process::Output,
    time::{Duration, Instant},
};

/// A program that ran to its end.
pub struct Ran {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.ok, "failed: {}{}", self.stdout, self.stderr);
        self.stdout
    }

    #[track_caller]
    pub fn err(self) -> String {
        assert!(!self.ok, "should have failed: {}", self.stdout);
        self.stderr
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { ok: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Splits a command line; single quotes keep spaces.
pub fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[track_caller]
pub fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}

/// Checks that the parts are in the text, one after the other.
#[track_caller]
pub fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let Some(place) = rest.find(part) else { panic!("{part:?} is not where it should be in:\n{text}") };
        rest = &rest[place + part.len()..];
    }
}

/// Returns the text with every run of spaces as one, to look for rows of a table in it.
pub fn squeezed(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[track_caller]
pub fn within_seconds<T>(seconds: u64, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < end, "not within {seconds} s");
        std::thread::sleep(Duration::from_millis(20));
    }
}
