//! Programs run on this computer.

use std::{
    cell::{Cell, RefCell},
    ffi::OsString,
    fmt,
    fs::File,
    path::{Path, PathBuf},
    pin::pin,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, BufReader},
    process::Command,
    time::{Instant, timeout},
};

/// A program with what it is given. It runs in a process group of its own, so that Ctrl-C on the terminal reaches this
/// process alone, and it is killed when nobody waits for it any longer.
#[derive(Debug)]
pub struct Program {
    command: Command,
    name: String,
    /// It is given up when it writes nothing for so long.
    patience: Duration,
    /// Whether lines of its errors are handed over like those of its output.
    tells_errors: bool,
}

/// What came of a program that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Why a program did not run to its end.
#[derive(Debug)]
pub enum ExecError {
    /// It is not installed, or cannot be run.
    NotStarted { program: String, because: std::io::Error },
    /// It wrote nothing for so long and was ended.
    Silent { program: String, patience: Duration },
}

impl Program {
    /// The program at `path`, or called so on the PATH.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let mut command = Command::new(path.as_ref());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let name = path.as_ref().file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { command, name, patience: Duration::from_secs(60), tells_errors: false }
    }

    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.command.args(args.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    #[must_use]
    pub fn folder(mut self, folder: PathBuf) -> Self {
        self.command.current_dir(folder);
        self
    }

    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Hands over the lines that it writes as errors like those of its output: some programs tell there how it goes.
    #[must_use]
    pub fn telling_errors(mut self) -> Self {
        self.tells_errors = true;
        self
    }

    /// Has the program, and what it starts, hold an open file: its lock lasts until the last of them ends.
    #[must_use]
    pub fn holding(mut self, file: File) -> Self {
        self.command.stdin(file);
        self
    }

    /// Runs it. `on_start` is told its process id, `on_line` each line of its output as it comes.
    ///
    /// # Errors
    /// When it cannot be started, or falls silent.
    pub async fn run(mut self, on_start: impl FnOnce(u32), on_line: impl FnMut(&str)) -> Result<Finished, ExecError> {
        let not_started = |because| ExecError::NotStarted { program: self.name.clone(), because };
        let mut child = self.command.spawn().map_err(not_started)?;
        if let Some(id) = child.id() {
            on_start(id);
        }
        let errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (on_line, heard) = (RefCell::new(on_line), Cell::new(Instant::now()));
        let tell = |line: &[u8]| {
            heard.set(Instant::now());
            on_line.borrow_mut()(String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']));
        };
        let stderr = async {
            let tell_error = |line: &[u8]| if self.tells_errors { tell(line) } else { heard.set(Instant::now()) };
            read_lines(errors, tell_error).await
        };
        let silent = || ExecError::Silent { program: self.name.clone(), patience: self.patience };
        let stdout = async {
            let mut reading = pin!(read_lines(&mut output, tell));
            loop {
                match timeout(self.patience, &mut reading).await {
                    Ok(text) => return Ok(text),
                    Err(_) if heard.get().elapsed() < self.patience => {}
                    Err(_) => return Err(silent()),
                }
            }
        };
        let (stdout, stderr) = futures::future::try_join(stdout, async { Ok(stderr.await) }).await?;
        let status = timeout(self.patience, child.wait()).await.map_err(|_| silent())?;
        Ok(Finished { status: status.map_err(not_started)?, stdout, stderr })
    }

    /// Runs it for what it writes.
    ///
    /// # Errors
    /// When it cannot be started, or falls silent.
    pub async fn output(self) -> Result<Finished, ExecError> {
        self.run(|_| {}, |_| {}).await
    }
}

/// Reads to the end, handing over each line as it comes; what cannot be read is the end.
async fn read_lines(mut from: impl AsyncBufRead + Unpin, tell: impl Fn(&[u8])) -> String {
    let mut text = String::new();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
        tell(&line);
        text.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    text
}

impl Finished {
    /// Returns what it wrote last: its errors, or its output if it wrote no errors.
    pub fn words(&self) -> &str {
        let errors = self.stderr.trim();
        if errors.is_empty() { self.stdout.trim() } else { errors }
    }
}

impl ExecError {
    /// Whether the program is not there at all.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotStarted { because, .. } if because.kind() == std::io::ErrorKind::NotFound)
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted { program, because } => write!(f, "{program} cannot be run: {because}"),
            Self::Silent { program, patience } => {
                write!(f, "{program} wrote nothing for {} and was ended", humantime::format_duration(*patience))
            }
        }
    }
}

impl std::error::Error for ExecError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    #[tokio::test]
    async fn lines_come_as_they_are_written_and_errors_apart() {
        let mut lines = Vec::new();
        let script = "echo one; echo two >&2; printf three; exit 7";
        let finished = sh(script).run(|_| {}, |line| lines.push(line.to_owned())).await.unwrap();
        assert_eq!(lines, ["one", "three"]);
        assert_eq!(finished.words(), "two");
        assert_eq!(finished.status.code(), Some(7));
    }

    #[tokio::test]
    async fn a_program_that_falls_silent_is_ended() {
        let program = sh("echo $$; sleep 60").patience(Duration::from_millis(300));
        let mut pid = 0;
        let error = program.run(|id| pid = id, |_| {}).await.unwrap_err();
        assert_eq!(error.to_string(), "sh wrote nothing for 300ms and was ended");
        let gone = async || !Path::new(&format!("/proc/{pid}/exe")).exists();
        for _ in 0..100 {
            if gone().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("process {pid} still runs");
    }

    #[tokio::test]
    async fn a_program_that_speaks_of_its_work_as_errors_is_heard() {
        let mut lines = Vec::new();
        let script = "for n in 1 2 3 4; do echo $n >&2; sleep 0.2; done";
        let program = sh(script).telling_errors().patience(Duration::from_millis(500));
        let finished = program.run(|_| {}, |line| lines.push(line.to_owned())).await.unwrap();
        assert_eq!(lines, ["1", "2", "3", "4"]);
        assert_eq!(finished.words(), "1\n2\n3\n4");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_said_to_be_missing() {
        let error = Program::new("no-such-program").output().await.unwrap_err();
        assert!(error.is_missing(), "{error}");
    }
}
