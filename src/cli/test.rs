use std::{cell::RefCell, fs, path::PathBuf};

use clap::Parser;

use super::{global::Global, session::Session};
use crate::{
    failure::{Failure, REPORT_NOT_WRITTEN},
    flows,
    report::junit,
};

/// Run the checks that prove that the stacks work; the exit code is 0 only if all ran and passed
#[derive(Debug, Parser)]
pub struct Args {
    /// The stacks to check; all by default
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,

    /// Write a JUnit report too, for CI
    #[arg(long, value_name = "FILE", env = "ORCHESTRATOR_JUNIT")]
    junit: Option<PathBuf>,
}

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let stacks = session.stacks()?;
    flows::deploy::chosen(&stacks, &args.stacks)?;
    session.must_exist()?;
    let report = args.junit.map(Report::begin).transpose()?;
    let (_lock, state) = session.lock("test")?;
    let results = RefCell::default();
    let test = async |context: &flows::Context<'_>| flows::test::test(context, &args.stacks, &results).await;
    let code = session.run(global, "test", &stacks, &state, test).await?;
    // Where the checks could not begin, a report without any would look like one without a failure.
    if let Some(report) = report.filter(|_| !results.borrow().is_empty()) {
        report.finish(&junit::render(&results.borrow()))?;
    }
    Ok(code)
}

/// A file that is there as a whole or not at all.
struct Report {
    path: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Report {
    /// Begins it beside its place, so that what cannot be written is told before the checks are run.
    fn begin(path: PathBuf) -> Result<Self, Failure> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(".".as_ref());
        let begun = fs::create_dir_all(folder).and_then(|()| {
            use std::os::unix::fs::PermissionsExt;
            let readable = fs::Permissions::from_mode(0o644);
            tempfile::Builder::new().prefix(".junit-").permissions(readable).tempfile_in(folder)
        });
        match begun {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(not_written(&path, error)),
        }
    }

    fn finish(self, text: &str) -> Result<(), Failure> {
        let written = fs::write(self.file.path(), text);
        let path = self.path;
        written.and_then(|()| Ok(self.file.persist(&path).map(drop)?)).map_err(|error| not_written(&path, error))
    }
}

fn not_written(path: &std::path::Path, error: std::io::Error) -> Failure {
    Failure::new(&REPORT_NOT_WRITTEN, format!("cannot write the report {}", path.display()))
        .because(error)
        .hint("name another file with --junit")
}
