//! Syntax errors in words that help, without the ones that only follow from another.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use super::problem::Finding;

/// Returns one finding for each syntax error, at most one a line, and only one for a bracket that is never closed.
pub(crate) fn findings(text: &str, root: &DeTable<'_>, errors: &[Error]) -> Vec<Finding> {
    let unclosed = unclosed(root, errors);
    let mut findings: Vec<Finding> = Vec::new();
    let mut last_line = None;
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let line = text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
        let follows = unclosed.as_ref().is_some_and(|open| open.start <= span.start) || last_line == Some(line);
        if !follows {
            findings.push(finding(error.message(), text, span));
        }
        last_line = Some(line);
    }
    findings.extend(unclosed.map(|open| {
        let bracket = if text[open.start..].starts_with('{') { '{' } else { '[' };
        Finding::at(open, format!("this `{bracket}` is never closed"))
    }));
    findings
}

/// Returns the list or table that is never closed: from its bracket to where the parser gave up.
fn unclosed(root: &DeTable<'_>, errors: &[Error]) -> Option<Range<usize>> {
    let error = errors.iter().find(|error| {
        error.message().starts_with("unclosed array, ") || error.message().starts_with("unclosed inline table")
    })?;
    let end = error.span()?.end;
    root.values().find_map(|value| open_until(value, end))
}

fn open_until(value: &Spanned<DeValue<'_>>, end: usize) -> Option<Range<usize>> {
    let span = value.span();
    let inner = match value.get_ref() {
        DeValue::Array(items) => items.iter().find_map(|item| open_until(item, end)),
        DeValue::Table(table) => table.values().find_map(|value| open_until(value, end)),
        _ => return None,
    };
    inner.or_else(|| (span.start < span.end && span.end >= end).then_some(span))
}

fn finding(message: &str, text: &str, span: Range<usize>) -> Finding {
    let written = text.get(span.clone()).unwrap_or_default();
    let message = message.trim_end_matches(", expected nothing");
    match message {
        "duplicate key" => Finding::at(span, format!("`{written}` is written twice")),
        _ if message.starts_with("string values must be quoted") => unquoted(written, span),
        _ if message.starts_with("unexpected key or value, expected newline") => {
            Finding::at(span, "only one key can be on a line")
        }
        _ if message.starts_with("invalid basic string, expected") => Finding::at(span, "the closing quote is missing"),
        _ => Finding::at(span, message),
    }
}

fn unquoted(written: &str, span: Range<usize>) -> Finding {
    let word = written.trim();
    match word {
        "" => Finding::at(span, "the value is missing"),
        _ if word.contains(['"', '\'', '\\', '\n']) => Finding::at(span, "this is no value"),
        _ => Finding::at(span, "a text stands in quotes").hint(Some(format!("write `\"{word}\"`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, expected: &[(&str, &str)]) {
        let (root, errors) = DeTable::parse_recoverable(text);
        let findings = findings(text, root.get_ref(), &errors);
        let found: Vec<_> =
            findings.iter().map(|f| (&text[f.span.clone().expect("a place")], f.message.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_error_is_said_once() {
        case("a =\nb = word\n", &[("", "the value is missing"), ("word", "a text stands in quotes")]);
        case("a = 1\na = 2\n", &[("a", "`a` is written twice")]);
    }

    #[test]
    fn an_unclosed_list_is_shown_where_it_opens() {
        case("a = [\n 1,\n[b]\nc = 2\n", &[("[\n 1,\n[b]\nc = 2", "this `[` is never closed")]);
    }
}
