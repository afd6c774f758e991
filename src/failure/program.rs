//! How this program is named in what it tells people to run.

use super::Failure;

/// The program as every sentence of the sources names it; what the user sees is how they call it.
const WRITTEN: &str = "./orchestrator";

/// Returns `text` with the program as the user calls it, such as `orchestrator --cluster test`.
pub fn called_as(text: &str, program: &str) -> String {
    text.replace(WRITTEN, program)
}

impl Failure {
    /// Returns the failure with hints that the user can run as they are.
    #[must_use]
    pub fn called_as(mut self, program: &str) -> Self {
        self.hint = self.hint.map(|hint| called_as(&hint, program));
        self.others = self.others.into_iter().map(|other| other.called_as(program)).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::NO_CLUSTER;

    #[test]
    fn hints_name_the_program_as_it_was_called() {
        let other = Failure::new(&NO_CLUSTER, "b").hint("./orchestrator start");
        let mut failure = Failure::new(&NO_CLUSTER, "a").hint("wait, then ./orchestrator create");
        failure.others.push(other);
        let called = failure.called_as("orchestrator --cluster test");
        assert_eq!(called.hint.as_deref(), Some("wait, then orchestrator --cluster test create"));
        assert_eq!(called.others[0].hint.as_deref(), Some("orchestrator --cluster test start"));
    }
}
