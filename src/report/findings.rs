//! `doctor`'s findings as lines.

use crate::model::finding::{Finding, Level};

/// Returns the findings as people read them.
pub fn render(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let mark = match finding.level {
            Level::Ok => "ok     ",
            Level::Warning => "warning",
            Level::Problem => "problem",
        };
        let mut what = finding.what.lines();
        lines.push(format!("{mark}  {}", what.next().unwrap_or_default()));
        lines.extend(what.map(|line| format!("         {line}")));
        lines.extend(finding.fix.iter().map(|fix| format!("         fix: {fix}")));
    }
    lines.join("\n")
}
