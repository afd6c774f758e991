//! Log lines as K3s writes them, to stderr.

use std::fmt::Display;

/// Why the process ends: the message of the last, fatal line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal(pub String);

impl<T: Display> From<T> for Fatal {
    fn from(why: T) -> Self {
        Self(why.to_string())
    }
}

pub fn info(message: impl Display) {
    line("info", &message);
}

pub fn warning(message: impl Display) {
    line("warning", &message);
}

pub fn error(message: impl Display) {
    line("error", &message);
}

/// Writes the last line of a process that cannot go on.
pub fn fatal(Fatal(message): &Fatal) {
    line("fatal", message);
}

#[expect(clippy::print_stderr, reason = "the program's log")]
fn line(level: &str, message: &dyn Display) {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    eprintln!("time=\"{now}\" level={level} msg={:?}", message.to_string());
}
