//! What is wrong with a configuration, and how it is shown: every problem with its place in the file.

use std::{fmt, ops::Range};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::failure::{CONFIG_INVALID, Failure};

/// More problems than this are counted, not shown: nobody reads them.
const SHOWN: usize = 50;

/// A problem before its place is turned into a line and a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Bytes of the text; `None` if the problem is not in the text.
    pub span: Option<Range<usize>>,
    pub message: String,
    pub hint: Option<String>,
}

impl Finding {
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), message: message.into(), hint: None }
    }

    pub fn nowhere(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it is; `None` if it came from the command line.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// Bytes of the text, never empty and never more than one line unless the text ends there.
    pub span: Range<usize>,
}

/// Everything that is wrong with a configuration, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The file's name as the user knows it.
    pub file: String,
    pub problems: Vec<Problem>,
    #[serde(skip)]
    text: String,
}

impl Problems {
    /// Places, sorts and deduplicates what was found in `text`.
    pub(crate) fn new(file: &str, text: &str, findings: Vec<Finding>) -> Self {
        let mut problems: Vec<Problem> = findings.into_iter().map(|finding| finding.place_in(text)).collect();
        problems.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.span.start, place.span.end)));
        problems.dedup();
        Self { file: file.into(), problems, text: text.into() }
    }
}

impl Finding {
    fn place_in(self, text: &str) -> Problem {
        let place = self.span.map(|span| Place::new(text, span));
        Problem { place, message: self.message, hint: self.hint }
    }
}

impl Place {
    fn new(text: &str, span: Range<usize>) -> Self {
        let start = floor_char_boundary(text, span.start);
        let line_end = line_end(text, start);
        let end = floor_char_boundary(text, span.end).clamp(start, line_end.max(start));
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span: start..end,
        }
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn line_end(text: &str, from: usize) -> usize {
    let end = text[from..].find('\n').map_or(text.len(), |newline| from + newline);
    if text[..end].ends_with('\r') { (end - 1).max(from) } else { end }
}

impl fmt::Display for Problems {
    /// All problems as the Rust compiler shows its own: message, place, line, underline, help; without colour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            f.write_str(&self.render(problem))?;
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n\n... and {more} more"),
        }
    }
}

impl Problems {
    fn render(&self, problem: &Problem) -> String {
        let title = Level::ERROR.primary_title(printable(&problem.message));
        let mut group = Group::with_title(title).elements(problem.place.as_ref().map(|place| self.snippet(place)));
        group = group.elements(problem.hint.as_ref().map(|hint| Level::HELP.message(printable(hint))));
        Renderer::plain().render(&[group])
    }

    fn snippet(&self, place: &Place) -> Snippet<'_, Annotation<'_>> {
        let start = self.text[..place.span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = &self.text[start..line_end(&self.text, place.span.start).max(place.span.end)];
        let span = place.span.start - start..place.span.end - start;
        Snippet::source(line).line_start(place.line).path(&self.file).annotation(AnnotationKind::Primary.span(span))
    }
}

/// Control characters would move the terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl std::error::Error for Problems {}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let what = match problems.problems.len() {
            1 => format!("`{}` has a problem", problems.file),
            count => format!("`{}` has {count} problems", problems.file),
        };
        Self::new(&CONFIG_INVALID, what).output(problems.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, span: Range<usize>, expected: &str) {
        let finding = Finding::at(span, "no").hint(Some("yes".to_owned()));
        assert_eq!(Problems::new("a.toml", text, vec![finding]).to_string(), expected.trim_matches('\n'));
    }

    #[test]
    fn the_offending_text_is_underlined() {
        case(
            "a = 1\nbb = 2\n",
            6..8,
            "
error: no
 --> a.toml:2:1
  |
2 | bb = 2
  | ^^
  |
  = help: yes
",
        );
    }

    #[test]
    fn wide_characters_and_tabs_keep_the_underline_below_the_text() {
        case(
            "\t\"日本\" = 2",
            12..13,
            "
error: no
 --> a.toml:1:9
  |
1 |     \"日本\" = 2
  |              ^
  |
  = help: yes
",
        );
    }

    #[test]
    fn every_span_of_every_text_can_be_rendered() {
        for text in ["", "a", "é\r\n\n\tb", "\u{1b}[31m\u{0}\r"] {
            for start in 0..=text.len() + 1 {
                for end in start..=text.len() + 2 {
                    let problems = Problems::new("f", text, vec![Finding::at(start..end, "m")]);
                    assert!(problems.to_string().starts_with("error: m"));
                }
            }
        }
    }

    #[test]
    fn problems_are_sorted_and_said_once() {
        let text = "abc";
        let found = vec![Finding::at(2..3, "late"), Finding::at(0..1, "early"), Finding::at(2..3, "late")];
        let messages: Vec<_> = Problems::new("f", text, found).problems.into_iter().map(|p| p.message).collect();
        assert_eq!(messages, ["early", "late"]);
    }
}
