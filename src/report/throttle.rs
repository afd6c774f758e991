//! Keeps a log readable when the same thing is said again and again with other numbers.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

/// The least time between two lines that differ only in their numbers.
const INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// Decides which lines are worth showing now, by the times of the events.
#[derive(Default)]
pub struct Throttle {
    last: HashMap<(String, Option<String>), Last>,
}

struct Last {
    shape: String,
    at: Timestamp,
    held: Option<String>,
}

impl Throttle {
    /// Returns whether to show `line`, which is about `on` in `step`; if not, it is held back.
    pub fn admits(&mut self, step: &str, on: Option<&str>, at: Timestamp, line: &str) -> bool {
        let shape = line.chars().filter(|c| !c.is_ascii_digit()).collect();
        let key = (step.to_owned(), on.map(str::to_owned));
        if let Some(last) = self.last.get_mut(&key)
            && last.shape == shape
            && at.duration_since(last.at) < INTERVAL
        {
            last.held = Some(line.into());
            return false;
        }
        self.last.insert(key, Last { shape, at, held: None });
        true
    }

    /// Forgets a step that ended and returns the lines that were held back last.
    pub fn end(&mut self, step: &str) -> Vec<String> {
        let ended = self.last.extract_if(|(of, _), _| of == step);
        let mut held: Vec<_> = ended.filter_map(|(_, last)| last.held).collect();
        held.sort();
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    #[test]
    fn only_lines_that_say_something_new_come_at_once() {
        let mut throttle = Throttle::default();
        let mut admits = |ms, line| throttle.admits("s", None, at(ms), line);
        assert!(admits(0, "1 of 9"));
        assert!(!admits(100, "2 of 9"));
        assert!(admits(200, "failed 1 of 9"));
        assert!(!admits(900, "failed 2 of 9"));
        assert!(admits(1300, "failed 3 of 9"));
        assert!(!admits(1300, "failed 4 of 9"));
        assert_eq!(throttle.end("s"), ["failed 4 of 9"]);
        assert!(throttle.end("s").is_empty());
    }

    #[test]
    fn machines_do_not_hold_each_other_back() {
        let mut throttle = Throttle::default();
        assert!(throttle.admits("s", Some("a"), at(0), "booting"));
        assert!(throttle.admits("s", Some("b"), at(0), "booting"));
    }
}
