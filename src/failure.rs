//! What went wrong, in a form a screen, a log and an exit code can all be made from.

mod catalogue;
mod program;

pub use catalogue::*;
pub use catalogue::{CATALOGUE, Entry};
pub use program::called_as;

use serde::{Deserialize, Serialize};

/// The family of a failure. It decides the exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    NotAsConfigured,
    Config,
    Preflight,
    Provider,
    Ssh,
    K3s,
    Image,
    Deploy,
    Deadline,
    Locked,
    Bug,
    Interrupted,
}

impl Kind {
    /// Returns the exit code that the README documents for this family.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::NotAsConfigured => 1,
            Self::Config => 2,
            Self::Preflight => 3,
            Self::Provider => 4,
            Self::Ssh => 5,
            Self::K3s => 6,
            Self::Image => 7,
            Self::Deploy => 8,
            Self::Deadline => 9,
            Self::Locked => 10,
            Self::Bug => 70,
            Self::Interrupted => 130,
        }
    }
}

/// A failure: what failed, why, the real output once, and one command to run next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable id from the catalogue, such as `K3S-003`.
    pub id: String,
    pub kind: Kind,
    /// A sentence fragment that fits after "error:", naming the machine or pod.
    pub what: String,
    /// Causes, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Output of the program, journal or container that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The one thing to do next; a command where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Further failures that happened beside this one, on other machines or pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Failure>,
}

impl Failure {
    /// A failure of the kind that `entry` catalogues.
    pub fn new(entry: &Entry, what: impl Into<String>) -> Self {
        Self {
            id: entry.id.into(),
            kind: entry.kind,
            what: what.into(),
            because: Vec::new(),
            output: None,
            hint: None,
            others: Vec::new(),
        }
    }

    /// Adds a cause; the first one added is the nearest.
    #[must_use]
    pub fn because(mut self, cause: impl ToString) -> Self {
        self.because.push(cause.to_string());
        self
    }

    /// Attaches the output of what failed, unless it is empty.
    #[must_use]
    pub fn output(mut self, output: impl Into<String>) -> Self {
        let output = output.into();
        self.output = (!output.trim().is_empty()).then_some(output);
        self
    }

    /// Says what to run next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Joins failures that happened side by side into one; `None` if there are none. What stops several machines in the
    /// same words is said once.
    pub fn join(failures: impl IntoIterator<Item = Failure>) -> Option<Failure> {
        let mut failures = failures.into_iter();
        let mut first = failures.next()?;
        for failure in failures {
            let says_the_same = |other: &Failure| (&other.id, &other.what) == (&failure.id, &failure.what);
            if !says_the_same(&first) && !first.others.iter().any(says_the_same) {
                first.others.push(failure);
            }
        }
        Some(first)
    }

    /// Whether it may pass by itself: what a machine does that boots, is loaded, or lost its network.
    pub fn may_pass(&self) -> bool {
        [MACHINE_NOT_ANSWERING, HANDSHAKE_CUT, CONNECTION_LOST].iter().any(|entry| entry.id == self.id)
    }

    /// Whether it is about K3s, and not about the way to a machine.
    pub fn is_of_k3s(&self) -> bool {
        self.kind == Kind::K3s
    }

    /// Returns the exit code of the program when it ends with this failure.
    pub fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }
}

impl std::fmt::Display for Failure {
    /// One line: what failed and the nearest cause.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        self.because.first().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_failures_keep_the_first_as_the_one_that_decides_the_exit_code() {
        let joined = Failure::join([
            Failure::new(&NODE_NEVER_JOINED, "node `a` never joined"),
            Failure::new(&DEADLINE_PASSED, "gave up"),
            Failure::new(&DEADLINE_PASSED, "gave up"),
        ])
        .expect("failures");
        assert_eq!(joined.exit_code(), 6);
        assert_eq!(joined.others.len(), 1);
    }

    #[test]
    fn ids_are_unique_and_begin_with_the_word_of_their_kind() {
        let mut ids: Vec<_> = CATALOGUE.iter().map(|entry| entry.id).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
