//! How checks came out, as JUnit XML: what GitLab, GitHub and Jenkins read.
//!
//! The format has no owner; this keeps to what <https://github.com/testmoapp/junitxml> describes.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesText, Event},
};

use crate::model::check::{CheckResult, Verdict};

/// Returns the report: a test suite for each stack.
pub fn render(results: &[CheckResult]) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut writer, results).expect("nothing fails in memory");
    let text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}\n")
}

fn write(writer: &mut Writer<Vec<u8>>, results: &[CheckResult]) -> io::Result<()> {
    let mut stacks: Vec<&str> = results.iter().map(|result| result.stack.as_str()).collect();
    stacks.dedup();
    let suites = writer.create_element("testsuites").with_attributes(counts(results.iter()).as_attributes());
    suites.write_inner_content(|writer| stacks.iter().try_for_each(|stack| suite(writer, stack, results)))?;
    Ok(())
}

fn suite(writer: &mut Writer<Vec<u8>>, stack: &str, results: &[CheckResult]) -> io::Result<()> {
    let of_it = || results.iter().filter(|result| result.stack == stack);
    let suite = writer.create_element("testsuite").with_attribute(("name", stack));
    let suite = suite.with_attributes(counts(of_it()).as_attributes());
    suite.write_inner_content(|writer| of_it().try_for_each(|result| case(writer, result)))?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, result: &CheckResult) -> io::Result<()> {
    let (title, time) = (printable(&result.title), seconds(result.elapsed_ms));
    let class = format!("{}.{}", result.stack, result.check);
    let attributes = [("name", title.as_str()), ("classname", class.as_str()), ("time", time.as_str())];
    let case = writer.create_element("testcase").with_attributes(attributes);
    match &result.verdict {
        Verdict::Passed => case.write_empty()?,
        Verdict::NotRun { because } => case.write_inner_content(|writer| {
            let because = printable(because);
            writer.create_element("skipped").with_attribute(("message", because.as_str())).write_empty()?;
            Ok(())
        })?,
        Verdict::Failed { because, output } => case.write_inner_content(|writer| {
            let (because, output) = (printable(because), printable(output.as_deref().unwrap_or_default()));
            let failure = writer.create_element("failure").with_attribute(("message", because.as_str()));
            failure.write_inner_content(|writer| writer.write_event(Event::Text(BytesText::new(&output))))?;
            Ok(())
        })?,
    };
    Ok(())
}

/// The numbers of a suite, as text.
struct Counts {
    tests: String,
    failures: String,
    skipped: String,
    time: String,
}

impl Counts {
    fn as_attributes(&self) -> [(&str, &str); 4] {
        [("tests", &self.tests), ("failures", &self.failures), ("skipped", &self.skipped), ("time", &self.time)]
    }
}

fn counts<'r>(results: impl Iterator<Item = &'r CheckResult>) -> Counts {
    let (mut tests, mut failures, mut skipped, mut time) = (0, 0, 0, 0);
    for result in results {
        tests += 1;
        time += result.elapsed_ms;
        match result.verdict {
            Verdict::Passed => {}
            Verdict::Failed { .. } => failures += 1,
            Verdict::NotRun { .. } => skipped += 1,
        }
    }
    let [tests, failures, skipped]: [String; 3] = [tests, failures, skipped].map(|count: u32| count.to_string());
    Counts { tests, failures, skipped, time: seconds(time) }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// XML 1.0 has no place for control characters, escaped or not.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(stack: &str, check: &str, verdict: Verdict) -> CheckResult {
        CheckResult {
            stack: stack.into(),
            check: check.into(),
            title: format!("{check} & more"),
            verdict,
            elapsed_ms: 1250,
        }
    }

    #[test]
    fn a_suite_for_each_stack() {
        let output = Some("<html>\u{7}502 ]]>".to_owned());
        let results = [
            result("shop", "pods", Verdict::Passed),
            result("shop", "orders", Verdict::Failed { because: "step 1: \"no\"".into(), output }),
            result("blog", "posts", Verdict::NotRun { because: "a rehearsal".into() }),
        ];
        insta::assert_snapshot!(render(&results));
    }
}
