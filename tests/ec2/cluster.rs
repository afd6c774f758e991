use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    account::Account,
    moto::REGION,
    proxy::{Delays, Proxy},
    ran::Ran,
    release::{RELEASE, artifacts},
    running::Running,
};

/// How long a command may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(300);
/// Without a call for so long, a run is busy with machines. Pauses between calls are shorter.
const QUIET: Duration = Duration::from_millis(2500);

/// A folder with the configuration of a cluster, a home, and a way to the account that is the cluster's own.
pub struct Cluster<'a> {
    pub name: String,
    pub account: &'a Account,
    pub proxy: Arc<Proxy>,
    folder: tempfile::TempDir,
    programs: AtomicU32,
}

/// What a cluster is to be.
pub struct Wanted<'w> {
    pub name: &'w str,
    pub agents: usize,
    /// More lines of `[ec2]`.
    pub settings: &'w str,
    pub delays: Delays,
}

/// For who is in the machines' network.
pub const INSIDE: &str = "address = \"private\"\nallow = [\"203.0.113.7/32\"]\n";

impl<'a> Cluster<'a> {
    pub fn new(account: &'a Account, wanted: &Wanted<'_>) -> Self {
        let folder = tempfile::Builder::new().prefix("orchestrator-ec2-").tempdir().unwrap();
        for name in ["project", "home", "output"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let Wanted { name, agents, settings, delays } = wanted;
        let (image, subnet, folder_of_k3s) = (&account.image, &account.subnet, artifacts(RELEASE));
        let text = format!(
            "version = 1\n[cluster]\nname = \"{name}\"\nprovider = \"ec2\"\nservers = 1\nagents = {agents}\n\
             [k3s]\nversion = \"{RELEASE}\"\nartifacts = \"{}\"\n\
             [ec2]\nregion = \"{REGION}\"\nami = \"{image}\"\nsubnet = \"{subnet}\"\n{settings}",
            folder_of_k3s.display()
        );
        fs::write(folder.path().join("project/orchestrator.toml"), text).unwrap();
        let proxy = Arc::new(Proxy::before(&account.moto, *delays));
        Self { name: (*name).into(), account, proxy, folder, programs: AtomicU32::new(0) }
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("project/.orchestrator").join(&self.name)
    }

    pub fn lose_state(&self) {
        fs::remove_dir_all(self.folder.path().join("project/.orchestrator")).unwrap();
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path().join("project"))
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("AWS_ACCESS_KEY_ID", &self.account.moto.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &self.account.moto.secret)
            .env("AWS_ENDPOINT_URL", &self.proxy.url)
            .env("ORCHESTRATOR_CHECKIP_URL", self.proxy.who_asks())
            .stdin(Stdio::null());
        command
    }

    /// Starts the orchestrator.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        let number = self.programs.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str| self.folder.path().join("output").join(format!("{number}.{name}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let mut command = self.command(env!("CARGO_BIN_EXE_orchestrator"), arguments);
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running::new(command.spawn().unwrap(), stdout, stderr)
    }

    /// Runs the orchestrator to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut running = self.spawn(arguments);
        self.until(&mut running, "it to end", |_| false);
        running.wait()
    }

    /// Runs the orchestrator until it ends by itself, or a call hangs, at which it is killed. Returns whether it was.
    #[track_caller]
    pub fn killed(&self, arguments: &[&str]) -> bool {
        let mut running = self.spawn(arguments);
        let ended = self.until(&mut running, "a call to hang", Proxy::hangs);
        running.kill();
        !ended
    }

    /// Runs `create` until the API has done its part, where no machine answers; a call that hangs ends it sooner.
    #[track_caller]
    pub fn create_instances(&self) {
        let mut running = self.spawn(&["create"]);
        let is_quiet = |proxy: &Proxy| {
            let last = proxy.calls().last().map(|call| call.at);
            proxy.hangs() || last.is_some_and(|last| last.elapsed() > QUIET)
        };
        let ended = self.until(&mut running, "its calls to end", is_quiet);
        let said = fs::read_to_string(&running.stderr).unwrap();
        assert!(!ended, "{}: `create` ended:\n{said}", self.name);
        running.kill();
    }

    /// Waits until the program has ended, which is told, or something is so.
    #[track_caller]
    fn until(&self, running: &mut Running, what: &str, so: impl Fn(&Proxy) -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        while !running.has_ended() {
            if so(&self.proxy) {
                return false;
            }
            let said = || fs::read_to_string(&running.stderr).unwrap();
            assert!(Instant::now() < end, "{}: waited {PATIENCE:?} for {what}; it has said:\n{}", self.name, said());
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Runs kubectl on the cluster, with the kubeconfig that was written, and returns what it printed.
    #[track_caller]
    pub fn kubectl(&self, arguments: &str) -> String {
        let words: Vec<_> = arguments.split_whitespace().collect();
        let mut command = self.command("kubectl", &words);
        let output = command.env("KUBECONFIG", self.state().join("kubeconfig")).output().unwrap();
        assert!(output.status.success(), "kubectl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Checks that these are its nodes, all of them ready.
    #[track_caller]
    pub fn has_nodes(&self, names: &[&str]) {
        let nodes: Value = serde_json::from_str(&self.kubectl("get nodes -o json")).unwrap();
        let is_ready = |node: &Value| {
            let conditions = node["status"]["conditions"].as_array().unwrap();
            conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        let nodes = nodes["items"].as_array().unwrap();
        let mut there: Vec<_> =
            nodes.iter().map(|node| (node["metadata"]["name"].as_str().unwrap(), is_ready(node))).collect();
        there.sort_unstable();
        assert_eq!(there, names.iter().map(|name| (*name, true)).collect::<Vec<_>>());
    }

    /// Everything that is left in the account with its name on it.
    pub fn left(&self) -> Vec<String> {
        self.account.resources_of(&self.name)
    }
}
