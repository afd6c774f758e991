//! How the checks of a stack came out.

use serde::{Deserialize, Serialize};

/// How a check came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    Failed {
        /// The step that failed and why.
        because: String,
        /// What was seen instead: the answer's body, what the command wrote.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
    },
    /// It could not be known: why.
    NotRun {
        because: String,
    },
}

/// A check that came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    pub stack: String,
    /// Its name in the configuration.
    pub check: String,
    /// What it proves.
    pub title: String,
    #[serde(flatten)]
    pub verdict: Verdict,
    pub elapsed_ms: u64,
}
