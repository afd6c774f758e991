//! A process that ends with the test.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{eventually, free_port};

pub struct Program {
    child: Child,
    name: String,
    log: tempfile::NamedTempFile,
}

impl Program {
    /// Starts it in a process group of its own, with its output in a file.
    pub fn start(name: &str, command: &mut Command) -> Self {
        use std::os::unix::process::CommandExt;
        let log = tempfile::NamedTempFile::new().unwrap();
        let output = || Stdio::from(File::options().append(true).open(log.path()).unwrap());
        command.stdin(Stdio::null()).stdout(output()).stderr(output()).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}: run tests/run"));
        Self { child, name: name.into(), log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self, seconds: u64) -> ExitStatus {
        let name = format!("the end of {}", self.name);
        eventually(&name, seconds, async || self.child.try_wait().unwrap()).await
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets the process end by itself for a while, then kills it.
    pub fn end(&mut self, signal: Signal) {
        if self.has_ended() {
            return;
        }
        self.signal(signal);
        let end = Instant::now() + Duration::from_secs(15);
        while !self.has_ended() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        if !self.has_ended() {
            self.kill();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.kill();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            println!("--- {}\n{}", self.name, lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}

/// One of the three microservices.
pub struct Service {
    pub program: Program,
    name: &'static str,
    environment: Vec<(&'static str, String)>,
    port: u16,
}

pub type Environment = Vec<(&'static str, String)>;

impl Service {
    /// Starts a service and waits until it answers.
    pub async fn start(name: &'static str, environment: &[&Environment]) -> Self {
        let environment = environment.iter().flat_map(|some| some.iter().cloned()).collect();
        let port = free_port();
        let service = Self { program: run(name, port, &environment), name, environment, port };
        service.live().await;
        service
    }

    /// Starts it anew, on the same port.
    pub async fn start_again(&mut self) {
        self.program = run(self.name, self.port, &self.environment);
        self.live().await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn live(&self) {
        let what = format!("{} is live", self.name);
        let url = self.url("/health/live");
        eventually(&what, 20, async || reqwest::get(&url).await.ok().filter(|answer| answer.status() == 200)).await;
    }

    pub async fn ready(&self) {
        let what = format!("{} is ready", self.name);
        let url = self.url("/health/ready");
        eventually(&what, 40, async || {
            let answer = reqwest::get(&url).await.ok().filter(|answer| answer.status() == 200)?;
            (!answer.text().await.ok()?.contains("degraded")).then_some(())
        })
        .await;
    }

    /// Asks it to end as Kubernetes does, and returns how it ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.program.signal(Signal::TERM);
        self.program.ended(30).await
    }
}

pub fn run(name: &str, port: u16, environment: &Environment) -> Program {
    // Built with the whole workspace, reqwest has TLS and looks for a provider, though nothing here is encrypted.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut command = Command::new(binary(name));
    command.env_clear().env("PORT", port.to_string()).envs(environment.iter().map(|(name, value)| (name, value)));
    Program::start(name, &mut command)
}

/// The binary of a service. Cargo does not build binaries of other packages for a test: this does, once.
fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let packages = ["-p", "api-gateway", "-p", "billing-app", "-p", "inventory-app"];
        let build = Command::new(env!("CARGO")).args(["build", "--quiet", "--locked"]).args(packages).output().unwrap();
        assert!(build.status.success(), "cargo build: {}", String::from_utf8_lossy(&build.stderr));
        Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("debug")
    });
    folder.join(name)
}
