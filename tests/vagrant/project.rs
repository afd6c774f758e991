use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    computer::{disks, domains, networks, output, processes, traces, virsh},
    ran::Ran,
    release::{artifacts, version},
    rig::{self, BOX, POOL},
    running::{Running, kill},
};

const BINARY: &str = env!("CARGO_BIN_EXE_orchestrator");
/// How long a command may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(400);

/// A folder with the configuration of a cluster of virtual machines, and a home. Dropped, all that bears the cluster's
/// name is removed.
pub struct Project {
    /// No other test's cluster is called so.
    pub name: String,
    pub agents: u32,
    /// In MiB.
    pub agent_memory: u32,
    /// More lines for `[vagrant]`.
    pub vagrant: String,
    /// Where the box is.
    pub box_url: String,
    pub storage_pool: String,
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    programs: AtomicU32,
    turn: Option<MutexGuard<'static, ()>>,
}

impl Project {
    /// One server and so many agents, as soon as they may be made.
    pub fn new(agents: u32) -> Self {
        let turn = rig::turn();
        let mut project = Self::without_machines(agents);
        project.turn = Some(turn);
        project
    }

    /// For commands that end before there is a virtual machine.
    pub fn without_machines(agents: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::Builder::new().prefix("orchestrator-vagrant-").tempdir().unwrap();
        for name in ["project", "home", "output"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let project = Self {
            name: format!("shop{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)),
            agents,
            agent_memory: 640,
            vagrant: String::new(),
            box_url: rig::folder().join("debian12.box").display().to_string(),
            storage_pool: POOL.into(),
            folder,
            environment: Vec::new(),
            programs: AtomicU32::new(0),
            turn: None,
        };
        project.configure();
        project
    }

    /// Writes the configuration.
    pub fn configure(&self) {
        let Self { name, agents, agent_memory, vagrant, box_url, storage_pool, .. } = self;
        let version = version();
        let artifacts = artifacts(&version).display().to_string();
        let text = format!(
            "version = 1\n[cluster]\nname = \"{name}\"\nprovider = \"vagrant\"\nagents = {agents}\n[k3s]\n\
             version = \"{version}\"\nartifacts = \"{artifacts}\"\n[machine]\ncpus = 1\nmemory = \"1GiB\"\n\
             disk = \"5GiB\"\nagent = {{ memory = \"{agent_memory}MiB\" }}\n[vagrant]\nbox = \"{BOX}\"\n\
             box-url = \"{box_url}\"\nstorage-pool = \"{storage_pool}\"\n{vagrant}\n"
        );
        fs::write(self.path("orchestrator.toml"), text).unwrap();
    }

    /// A path in the project's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("project").join(name)
    }

    /// A path in the home.
    pub fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join("home").join(name)
    }

    /// The state directory of the cluster.
    pub fn state(&self) -> PathBuf {
        self.path(".orchestrator").join(&self.name)
    }

    /// Adds a variable to the environment.
    pub fn env(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.into()));
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env_clear()
            .env("HOME", self.home(""))
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("VAGRANT_HOME", rig::vagrant_home())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs Vagrant in a folder.
    pub fn vagrant_in(&self, folder: &Path, arguments: &[&str]) -> Output {
        self.command("vagrant", arguments).current_dir(folder).output().unwrap()
    }

    /// Runs Ruby in a folder.
    pub fn ruby_in(&self, folder: &Path, arguments: &[&str]) -> Output {
        self.command("ruby", arguments).current_dir(folder).output().unwrap()
    }

    /// What begins the names of all that the cluster owns.
    pub fn prefix(&self) -> String {
        let text = fs::read(self.state().join("vagrant/machines.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()["prefix"].as_str().unwrap().into()
    }

    /// Starts the orchestrator, in a session of its own.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        let number = self.programs.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str| self.folder.path().join("output").join(format!("{number}.{name}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let mut command = self.command("setsid", &[&[BINARY], arguments].concat());
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running::new(command.spawn().unwrap(), stdout, stderr)
    }

    /// Runs the orchestrator to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let began = Instant::now();
        let ran = ended(self.spawn(arguments));
        println!("{:6.1} s  {}", began.elapsed().as_secs_f32(), arguments.join(" "));
        ran
    }

    /// Runs kubectl with the kubeconfig that was written.
    #[track_caller]
    pub fn kubectl(&self, arguments: &str) -> String {
        let words: Vec<_> = arguments.split_whitespace().collect();
        let output =
            self.command("kubectl", &words).env("KUBECONFIG", self.state().join("kubeconfig")).output().unwrap();
        assert!(output.status.success(), "kubectl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a script as root on a machine by OpenSSH, with the cluster's key and what is known of the machine's.
    #[track_caller]
    pub fn sh(&self, machine: &Machine, script: &str) -> String {
        let known = format!("UserKnownHostsFile={}", self.known_hosts().display());
        let key = self.state().join("id_ed25519").display().to_string();
        let login = format!("vagrant@{}", machine.address);
        let strict = ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", &known, "-i", &key];
        let output =
            output("ssh", &[&strict, &[login.as_str(), "sudo", "sh", "-c", &format!("'{script}'")][..]].concat());
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "on {}: {script}\n{words}", machine.name);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The host keys that the orchestrator knows.
    pub fn known_hosts(&self) -> PathBuf {
        self.state().join("vagrant/known_hosts")
    }

    /// What `status` says of the cluster.
    #[track_caller]
    pub fn status(&self) -> Value {
        let status = self.run(&["status", "-o", "json"]);
        assert!(matches!(status.code, Some(0 | 1)), "{status}");
        status.json()
    }

    /// The machines that `status` lists.
    #[track_caller]
    pub fn machines(&self) -> Vec<Machine> {
        let status = self.status();
        let text = |machine: &Value, key: &str| machine[key].as_str().unwrap().to_owned();
        let machine = |machine| Machine { name: text(machine, "name"), address: text(machine, "address") };
        status["machines"].as_array().unwrap().iter().map(machine).collect()
    }

    /// The virtual machines of the cluster, each with its UUID: made anew, it has another one.
    #[track_caller]
    pub fn uuids(&self) -> Vec<(String, String)> {
        let uuid = |name: String| {
            let uuid = virsh(&["domuuid", &name]).trim().to_owned();
            (name, uuid)
        };
        domains(&self.name).into_iter().map(uuid).collect()
    }

    /// Checks that one server and every agent is a virtual machine, a node that is ready, and that there is no other.
    #[track_caller]
    pub fn is_whole(&self) {
        let mut names: Vec<_> = (1..=self.agents).map(|number| format!("{}-agent-{number}", self.name)).collect();
        names.push(format!("{}-server-1", self.name));
        let nodes: Value = serde_json::from_str(&self.kubectl("get nodes -o json")).unwrap();
        let is_ready = |node: &Value| {
            let conditions = node["status"]["conditions"].as_array().unwrap();
            conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        let node = |node: &Value| (node["metadata"]["name"].as_str().unwrap().to_owned(), is_ready(node));
        let mut nodes: Vec<_> = nodes["items"].as_array().unwrap().iter().map(node).collect();
        nodes.sort();
        assert_eq!(nodes, names.iter().map(|name| (name.clone(), true)).collect::<Vec<_>>());
        let machines = domains(&self.name);
        let machines: Vec<_> = machines.iter().map(|domain| domain.split_once('-').unwrap().1.to_owned()).collect();
        assert_eq!(machines, names);
        self.run(&["status"]).ok();
    }

    /// Runs `create` where there is nothing to do, and checks that it does nothing.
    #[track_caller]
    pub fn creates_nothing(&self) {
        self.run(&["create"]).ok().says("nothing had to change");
    }

    /// Checks that nothing on this computer tells that there was a cluster.
    #[track_caller]
    pub fn has_left_nothing(&self) {
        assert_eq!(traces(&self.name), [""; 0]);
        assert!(!self.path(".orchestrator").exists());
        assert_eq!(self.keys(), [""; 0]);
        let index = self.vagrant_in(&self.folder.path().join("home"), &["global-status"]).stdout;
        let index = String::from_utf8(index).unwrap();
        assert!(index.contains("no active Vagrant environments") || index.contains("provider"), "{index}");
        assert!(!index.contains(&self.name), "{index}");
    }

    /// The copies of keys among the user's data.
    pub fn keys(&self) -> Vec<String> {
        let keys = self.home(".local/share/orchestrator/keys");
        let entries = fs::read_dir(keys).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if self.turn.is_none() {
            return;
        }
        let virsh = |arguments: &[&str]| drop(output("virsh", &[&["--connect", "qemu:///system"], arguments].concat()));
        for (number, line) in processes(&self.name) {
            if line.contains("vagrant") {
                kill(number, Signal::KILL);
            }
        }
        for domain in domains(&self.name) {
            virsh(&["destroy", &domain]);
            virsh(&["undefine", &domain, "--managed-save", "--snapshots-metadata", "--remove-all-storage"]);
        }
        for disk in disks(&self.name) {
            virsh(&["vol-delete", "--pool", POOL, &disk]);
        }
        for network in networks(&self.name) {
            virsh(&["net-destroy", &network]);
            virsh(&["net-undefine", &network]);
        }
    }
}

/// A machine as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub name: String,
    pub address: String,
}

/// Waits for a program to end.
#[track_caller]
pub fn ended(mut running: Running) -> Ran {
    let end = Instant::now() + PATIENCE;
    while !running.has_ended() {
        let said = || fs::read_to_string(&running.stderr).unwrap();
        assert!(Instant::now() < end, "it runs for {PATIENCE:?} and has said:\n{}", said());
        std::thread::sleep(Duration::from_millis(5));
    }
    running.wait()
}
