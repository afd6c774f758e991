//! Checks of meaning: what each key allows, and the file as a whole does not.

mod checks;
mod cluster;
mod faults;
mod images;
mod k3s;
mod machines;
mod settings;
mod ssh;
mod stacks;
mod vagrant;

use std::ops::Range;

use super::{Config, Overrides, document::Document, problem::Finding};
use crate::model::ProviderKind;

/// Adds to `earlier` what is wrong with `config`, the part of `document` that fits the schema.
///
/// What follows only from an earlier finding is not said again.
pub(crate) fn check(
    config: &Config,
    document: &Document<'_>,
    overrides: &Overrides,
    earlier: Vec<Finding>,
) -> Vec<Finding> {
    let mut check = Check { config, document, overrides, earlier, findings: Vec::new() };
    cluster::check(&mut check);
    k3s::check(&mut check);
    machines::check(&mut check);
    stacks::check(&mut check);
    checks::check(&mut check);
    faults::check(&mut check);
    ssh::check(&mut check);
    images::check(&mut check);
    vagrant::check(&mut check);
    let mut all = check.earlier;
    all.extend(check.findings);
    all
}

struct Check<'a> {
    config: &'a Config,
    document: &'a Document<'a>,
    overrides: &'a Overrides,
    earlier: Vec<Finding>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    /// Reports what is wrong with the value at `path`.
    fn value(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<Option<String>>) {
        let span = self.document.value(path);
        self.report(path, span, message.into(), hint.into());
    }

    /// Reports what is wrong with the key that `path` ends with.
    fn key(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<Option<String>>) {
        let span = self.document.key(path);
        self.report(path, span, message.into(), hint.into());
    }

    /// Returns whether everything that was written was understood, so that what is missing was not written.
    fn is_complete(&self) -> bool {
        self.earlier.is_empty()
    }

    fn report(&mut self, path: &[&str], span: Option<Range<usize>>, message: String, hint: Option<String>) {
        if let Some(flag) = self.flag(path) {
            return self.findings.push(Finding::nowhere(format!("`{flag}`: {message}")).hint(hint));
        }
        if self.is_explained(span.as_ref()) {
            return;
        }
        let span = span.or_else(|| self.nearest(path)).unwrap_or(0..0);
        self.findings.push(Finding::at(span, message).hint(hint));
    }

    /// Returns whether an earlier finding is the likely cause of one at `span`.
    fn is_explained(&self, span: Option<&Range<usize>>) -> bool {
        let overlaps = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
        match span {
            Some(span) => self.earlier.iter().filter_map(|e| e.span.as_ref()).any(|earlier| overlaps(earlier, span)),
            None => !self.is_complete(),
        }
    }

    /// Returns the place of the section around something that is not written.
    fn nearest(&self, path: &[&str]) -> Option<Range<usize>> {
        (1..path.len()).rev().find_map(|length| self.document.key(&path[..length]))
    }

    /// Returns the flag that says it instead of the file, if one does.
    fn flag(&self, path: &[&str]) -> Option<&'static str> {
        match path {
            ["cluster", "name"] if self.overrides.cluster_name.is_some() => Some("--cluster"),
            ["cluster", "provider"] if self.overrides.provider.is_some() => Some("--provider"),
            _ => None,
        }
    }

    fn uses(&self, provider: ProviderKind) -> bool {
        self.config.cluster.provider == provider
    }
}
