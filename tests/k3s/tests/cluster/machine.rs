//! One machine: a folder that is its root, an address, and the K3s that runs on it.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use http::Method;
use orchestrator::effects::kube_client::KubeClient;
use serde_json::Value;

pub const SECRET: &str = "a-secret";

pub struct Machine {
    pub name: String,
    pub address: Ipv4Addr,
    /// What is run as `k3s`.
    pub binary: PathBuf,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

/// Returns an address that no other test has.
fn address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(2);
    let process = std::process::id() % 60_000 + 1;
    Ipv4Addr::new(127, (process >> 8) as u8 + 1, process as u8, NEXT.fetch_add(1, Ordering::Relaxed) as u8)
}

impl Machine {
    pub fn new(name: &str) -> Self {
        let binary = env!("CARGO_BIN_EXE_k3s").into();
        let machine =
            Self { name: name.into(), address: address(), binary, folder: tempfile::tempdir().unwrap(), child: None };
        fs::create_dir_all(machine.path("etc/rancher/k3s")).unwrap();
        machine
    }

    /// A server with the secret of all tests.
    pub fn server(name: &str) -> Self {
        let machine = Self::new(name);
        machine.configure(&format!("bind-address: {}\ntoken: {SECRET}\n", machine.address));
        machine
    }

    /// An agent of `server`.
    pub fn agent(name: &str, server: &Machine, token: &str) -> Self {
        let machine = Self::new(name);
        machine.configure(&format!("server: {}\ntoken: {token}\n", server.url()));
        machine
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("https://{}:6443", self.address)
    }

    pub fn configure(&self, more: &str) {
        let text = format!("node-name: {}\nnode-ip: {}\n{more}", self.name, self.address);
        fs::write(self.path("etc/rancher/k3s/config.yaml"), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).stdin(Stdio::null()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("K3S_STAND_IN_ROOT", self.folder.path());
        command.env("K3S_STAND_IN_PACE", "fast").env("NOTIFY_SOCKET", self.path("notify"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn start(&mut self, command: &str) {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        self.child = Some(self.command(&[command]).stderr(log).stdout(Stdio::null()).spawn().unwrap());
    }

    /// Ends K3s as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until K3s ends by itself and returns its log.
    #[track_caller]
    pub fn ends(&mut self) -> String {
        within(20, "the process ends", || self.child.as_mut().unwrap().try_wait().unwrap());
        self.log()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    pub fn log(&self) -> String {
        self.read("log")
    }

    #[track_caller]
    pub fn logs(&self, words: &str) {
        within(20, &format!("{} logs {words:?}", self.name), || self.log().contains(words).then_some(()));
    }

    pub fn token(&self) -> String {
        self.read("var/lib/rancher/k3s/server/token").trim().to_owned()
    }

    /// Asks the API of this server, as its administrator.
    pub fn ask(&self, method: Method, path: &str, body: &str) -> Result<Value, String> {
        let kubeconfig = self.read("etc/rancher/k3s/k3s.yaml").replace("127.0.0.1", &self.address.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = KubeClient::from_kubeconfig(&kubeconfig).await.map_err(|failure| format!("{failure:?}"))?;
            let answer = client.send(method, path, "application/json", body.as_bytes().to_vec());
            let answer = tokio::time::timeout(Duration::from_secs(5), answer).await.map_err(|_| "no answer")?;
            answer.map_err(|error| format!("{error:?}"))
        })
    }

    pub fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, "").unwrap_or_default()
    }

    pub fn node(&self, name: &str) -> Value {
        self.get(&format!("/api/v1/nodes/{name}"))
    }

    /// A condition of a node, `Null` where there is none.
    pub fn condition(&self, name: &str, kind: &str) -> Value {
        let node = self.node(name);
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
    }

    pub fn ready(&self, name: &str) -> String {
        self.condition(name, "Ready")["status"].as_str().unwrap_or("absent").to_owned()
    }

    #[track_caller]
    pub fn awaits_ready(&self, name: &str) {
        let what = format!("{name} is Ready; the log of {}:\n{}", self.name, self.log());
        within(20, &what, || (self.ready(name) == "True").then_some(()));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

#[track_caller]
pub fn within<T>(seconds: u64, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < end, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
pub fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}
