//! A failure in words: what, where, why, the output once, and what to run next.

use std::fmt::Write;

use crate::failure::{CONFIG_INVALID, Failure};

/// Returns the failure and those that happened beside it, as lines without colour.
pub fn render(failure: &Failure) -> String {
    let mut text = String::new();
    render_one(&mut text, failure);
    for other in &failure.others {
        text.push('\n');
        render_one(&mut text, other);
    }
    text
}

fn render_one(text: &mut String, failure: &Failure) {
    let mut line = |prefix: &str, words: &str| {
        let indent = " ".repeat(prefix.len());
        for (n, part) in words.lines().enumerate() {
            let _ = writeln!(text, "{}{part}", if n == 0 { prefix } else { &indent });
        }
    };
    line(&format!("error[{}]: ", failure.id), &failure.what);
    for cause in &failure.because {
        line("  because: ", cause);
    }
    // Problems of the configuration come with their own margin.
    let margin = if failure.id == CONFIG_INVALID.id { "" } else { "  | " };
    for output in failure.output.iter().flat_map(|output| output.trim_end().lines()) {
        line(margin, if output.is_empty() { " " } else { output });
    }
    if let Some(hint) = &failure.hint {
        line("  next: ", hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{CONTAINER_CRASHES, POD_NOT_READY};

    #[test]
    fn a_failure_says_what_why_the_output_and_what_to_run_next() {
        let failure = Failure::new(&CONTAINER_CRASHES, "container `app` of pod a/b ends again and again")
            .because("exit code 1")
            .output("starting\npanicked\n")
            .hint("./orchestrator logs b");
        let beside = Failure::new(&POD_NOT_READY, "pod a/c is not ready");
        let joined = Failure::join([failure, beside]).unwrap();
        assert_eq!(
            render(&joined),
            "error[DEP-002]: container `app` of pod a/b ends again and again\n  because: exit code 1\n  | starting\n  \
             | panicked\n  next: ./orchestrator logs b\n\nerror[DEP-004]: pod a/c is not ready\n"
        );
    }
}
