//! The checks of the stacks: whether what was deployed is there, and does what it is for.

mod ask;
mod exercise;
mod presence;
mod replicas;

pub mod run_checks;

/// Why a check did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Miss {
    because: String,
    /// What was seen instead.
    output: Option<String>,
}

impl Miss {
    fn new(because: impl Into<String>) -> Self {
        Self { because: because.into(), output: None }
    }

    fn output(self, output: &str) -> Self {
        let output = output.trim();
        Self { output: (!output.is_empty()).then(|| shortened(output)), ..self }
    }
}

impl From<crate::effects::kube::KubeError> for Miss {
    fn from(error: crate::effects::kube::KubeError) -> Self {
        Self::new(error.to_string())
    }
}

/// As much of a long answer as people read.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 2000;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
