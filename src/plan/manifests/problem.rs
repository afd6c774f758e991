use std::{fmt, path::PathBuf};

use crate::failure::{Failure, MANIFEST_INVALID};

/// Something in a manifest that must be changed before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestProblem {
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// A sentence fragment.
    pub what: String,
    /// The offending line as written.
    pub snippet: Option<String>,
}

impl ManifestProblem {
    pub(super) fn new(file: &std::path::Path, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.into(), line, column: 1, what: what.into(), snippet: None }
    }
}

impl fmt::Display for ManifestProblem {
    /// `file:line:column: what`, then the line itself with a mark below the column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.what)?;
        let Some(snippet) = &self.snippet else { return Ok(()) };
        let gutter = self.line.to_string();
        let (width, column) = (gutter.len(), self.column);
        write!(f, "\n  {gutter} | {snippet}\n  {:width$} | {:>column$}", "", "^")
    }
}

/// Joins problems into one failure; `None` if there are none.
pub fn failure(problems: &[ManifestProblem]) -> Option<Failure> {
    let first = problems.first()?;
    let what = match problems {
        [_] => "a manifest has a problem".into(),
        _ => format!("the manifests have {} problems", problems.len()),
    };
    let listed: Vec<_> = problems.iter().map(ToString::to_string).collect();
    Some(Failure::new(&MANIFEST_INVALID, what).because(listed.join("\n")).hint(format!(
        "correct {}:{} and run the command again",
        first.file.display(),
        first.line
    )))
}
