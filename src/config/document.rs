//! The text as TOML: a tree whose every key and value knows its place.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{problem::Finding, syntax};

/// A parsed text, as far as it could be understood.
pub(crate) struct Document<'t> {
    pub root: DeTable<'t>,
    /// Where syntax errors are: nothing on their lines can be trusted.
    broken: Vec<Range<usize>>,
}

impl<'t> Document<'t> {
    /// Parses as much as possible; returns all syntax errors beside it.
    pub fn parse(text: &'t str) -> (Self, Vec<Finding>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        let root = root.into_inner();
        let findings = syntax::findings(text, &root, &errors);
        let spans = findings.iter().filter_map(|finding| finding.span.as_ref());
        let broken = spans.map(|span| line_start(text, span.start)..span.end.max(line_end(text, span.start))).collect();
        (Self { root, broken }, findings)
    }

    /// Returns whether the text has no syntax error, so that what is not there was not written.
    pub fn is_complete(&self) -> bool {
        self.broken.is_empty()
    }

    /// Returns whether what is at `span` was made up by the parser after a syntax error.
    pub fn is_broken(&self, span: &Range<usize>) -> bool {
        let hit = |broken: &Range<usize>| span.is_empty() || (broken.start <= span.start && span.start < broken.end);
        self.broken.iter().any(hit)
    }

    /// Returns the place of the key that `path` ends with; list items are named by their index.
    pub fn key(&self, path: &[&str]) -> Option<Range<usize>> {
        let (last, parents) = path.split_last()?;
        let Some((table, rest)) = parents.split_first() else {
            return key_in(&self.root, last);
        };
        match find(self.root.get(*table)?, rest)?.get_ref() {
            DeValue::Table(table) => key_in(table, last),
            DeValue::Array(items) => items.get(last.parse::<usize>().ok()?).map(Spanned::span),
            _ => None,
        }
    }

    /// Returns the place of the value at `path`.
    pub fn value(&self, path: &[&str]) -> Option<Range<usize>> {
        let (first, rest) = path.split_first()?;
        find(self.root.get(*first)?, rest).map(Spanned::span)
    }
}

fn find<'a, 't>(value: &'a Spanned<DeValue<'t>>, path: &[&str]) -> Option<&'a Spanned<DeValue<'t>>> {
    let Some((first, rest)) = path.split_first() else {
        return Some(value);
    };
    let next = match value.get_ref() {
        DeValue::Array(items) => items.get(first.parse::<usize>().ok()?)?,
        DeValue::Table(table) => table.get(*first)?,
        _ => return None,
    };
    find(next, rest)
}

fn key_in(table: &DeTable<'_>, key: &str) -> Option<Range<usize>> {
    table.get_key_value(key).map(|(key, _)| key.span())
}

fn line_start(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text.as_bytes()[at.min(text.len())..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(text.len(), |length| at + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[a]\nb = [{ c = 1 }]\n";

    #[test]
    fn keys_and_values_are_found_by_path() {
        let (document, errors) = Document::parse(TEXT);
        assert!(errors.is_empty());
        assert_eq!(&TEXT[document.key(&["a", "b"]).expect("b")], "b");
        assert_eq!(&TEXT[document.value(&["a", "b", "0", "c"]).expect("c")], "1");
        assert_eq!(&TEXT[document.key(&["a", "b", "0"]).expect("item")], "{ c = 1 }");
        assert_eq!(document.value(&["a", "b", "1"]), None);
    }

    #[test]
    fn all_syntax_errors_are_found() {
        let (document, errors) = Document::parse("a = \nb = 1\nc = tru\n");
        assert_eq!(errors.len(), 2);
        assert!(!document.is_complete());
    }
}
