//! What happened: all that a screen or a log may know.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{failure::Failure, model::check::CheckResult};

/// The version of the event format, `v` in each line.
pub const FORMAT: u8 = 1;

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub v: u8,
    /// Counts from 1 within a run.
    pub seq: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Whether a step or a piece of it did anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Changed,
    Unchanged,
    Failed,
}

/// What happened. `step` is the id of a step, `on` the machine, pod or object it was about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    RunStarted {
        command: String,
        cluster: String,
        provider: String,
        version: String,
    },
    StepStarted {
        step: String,
        title: String,
    },
    WorkStarted {
        step: String,
        on: String,
    },
    Said {
        step: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<String>,
        message: String,
    },
    Warned {
        step: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<String>,
        message: String,
    },
    /// What is being done now.
    Doing {
        step: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<String>,
        what: String,
    },
    /// Something is not yet as it should be; `seen` is what it was when last looked at.
    Waiting {
        step: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<String>,
        seen: String,
    },
    /// Something failed in a way that passes; `attempt` counts from 1 and says which one comes now.
    Retrying {
        step: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<String>,
        what: String,
        attempt: u32,
        because: String,
    },
    /// `done` of `of` things are finished; both count the same unit.
    Progressed {
        step: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<String>,
        done: u64,
        of: u64,
    },
    /// A check of a stack came out.
    CheckFinished {
        step: String,
        #[serde(flatten)]
        result: CheckResult,
    },
    WorkFinished {
        step: String,
        on: String,
        outcome: Outcome,
        elapsed_ms: u64,
    },
    StepFinished {
        step: String,
        outcome: Outcome,
        elapsed_ms: u64,
    },
    StepFailed {
        step: String,
        elapsed_ms: u64,
        failure: Failure,
    },
    /// The user wants to stop: nothing new begins, and what is under way may end.
    Stopping,
    RunFinished {
        ok: bool,
        exit_code: u8,
        changed: bool,
        elapsed_ms: u64,
        /// The closing line, such as `cluster created`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// What the user should know now: addresses, that this was a rehearsal.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
        /// Commands worth running next.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        next: Vec<String>,
    },
    /// Written by a newer orchestrator.
    #[serde(other)]
    Unknown,
}
