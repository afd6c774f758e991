//! The words that every screen uses.

use console::measure_text_width;

use super::failure;
use crate::{
    engine::Outcome,
    failure::Failure,
    model::check::{CheckResult, Verdict},
};

/// What a screen says at the first Ctrl-C.
pub const STOPPING: &str = "stopping: what is under way may end; Ctrl-C again ends it at once";

/// Returns the lines that end a run on a screen.
pub fn closing(failure: Option<&Failure>, notes: &[String], next: &[String]) -> Vec<String> {
    let failure = failure.map(failure::render).unwrap_or_default();
    let notes = notes.iter().map(|note| format!("note: {note}"));
    let next = next.iter().map(|command| format!("next: {command}"));
    failure.lines().map(str::to_owned).chain(notes).chain(next).collect()
}

pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Changed => "changed",
        Outcome::Unchanged => "unchanged",
        Outcome::Failed => "failed",
    }
}

/// Returns what a check is about and how it came out.
pub fn check(result: &CheckResult) -> String {
    let CheckResult { stack, check, title, verdict, elapsed_ms } = result;
    let came = match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed { .. } => "failed",
        Verdict::NotRun { .. } => return format!("{stack}/{check}: {title}: not run"),
    };
    format!("{stack}/{check}: {title}: {came} ({})", seconds(*elapsed_ms))
}

/// Returns the lines that say why a check did not pass.
pub fn check_details(result: &CheckResult) -> Vec<String> {
    match &result.verdict {
        Verdict::Passed => Vec::new(),
        Verdict::NotRun { because } => vec![format!("because: {because}")],
        Verdict::Failed { because, output } => {
            let output = output.iter().flat_map(|output| output.lines());
            std::iter::once(format!("because: {because}")).chain(output.map(|line| format!("| {line}"))).collect()
        }
    }
}

/// Returns `on: ` for something that is about one machine, pod or object.
pub fn about(on: Option<&str>) -> String {
    on.map_or_else(String::new, |on| format!("{on}: "))
}

/// Returns what a repeated attempt is about, and why there is one.
pub fn retry(what: &str, attempt: u32, because: &str) -> String {
    format!("{what}: attempt {attempt}, because: {because}")
}

/// Breaks a line between words so that it fits; what follows is indented by two more than the line.
pub fn wrap(line: &str, columns: usize) -> String {
    let indent = " ".repeat(line.len() - line.trim_start().len() + 2);
    let mut wrapped = String::new();
    let mut used = 0;
    for word in line.split_inclusive(' ') {
        let width = measure_text_width(word.trim_end());
        if used + width > columns && used > indent.len() {
            wrapped.truncate(wrapped.trim_end().len());
            wrapped.push('\n');
            wrapped.push_str(&indent);
            used = indent.len();
        }
        wrapped.push_str(word);
        used += measure_text_width(word);
    }
    wrapped
}

/// Returns `0.12 s`, `12.3 s`, `1 min 15 s`.
pub fn seconds(milliseconds: u64) -> String {
    match milliseconds {
        0..10_000 => format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10),
        10_000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{} min {:02} s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_between_words() {
        assert_eq!(wrap("  note: a rehearsal", 80), "  note: a rehearsal");
        assert_eq!(wrap("  note: a rehearsal", 12), "  note: a\n    rehearsal");
        assert_eq!(wrap("note: http://198.18.0.11:30000", 10), "note:\n  http://198.18.0.11:30000");
    }

    #[test]
    fn durations_are_as_exact_as_people_need() {
        let shown = [0, 125, 9_999, 10_000, 59_999, 60_000, 3_725_000].map(seconds);
        assert_eq!(shown, ["0.00 s", "0.12 s", "9.99 s", "10.0 s", "59.9 s", "1 min 00 s", "62 min 05 s"]);
    }
}
