use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, MutexGuard, TryLockError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    docker::Network,
    machine::{Machine, Place},
    ran::Ran,
    release::{self, artifacts},
    running::{Running, eventually},
};

const BINARY: &str = env!("CARGO_BIN_EXE_orchestrator");
/// How long a command may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(300);
/// As many clusters live at the same time.
static SLOTS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];

/// Machines, and a folder with the configuration of a cluster of them, a home and keys.
pub struct Lab {
    /// In the order of the configuration.
    pub machines: Vec<Machine>,
    pub network: Network,
    /// `[k3s] version`.
    pub version: String,
    /// The lines of `[k3s.config]`.
    pub settings: String,
    /// More sections of the configuration.
    pub sections: String,
    /// Who logs in.
    pub user: &'static str,
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    programs: AtomicU32,
    _slot: MutexGuard<'static, ()>,
}

impl Lab {
    /// Servers `s1`, `s2`.. and agents `a1`, `a2`.., each a machine that answers.
    pub fn new(servers: usize, agents: usize) -> Self {
        let mut lab = Self::empty();
        let names = |letter, count| (1..=count).map(move |number| format!("{letter}{number}"));
        let wanted: Vec<_> = names('s', servers)
            .map(|name| (name, "server"))
            .chain(names('a', agents).map(|name| (name, "agent")))
            .collect();
        let key = lab.key();
        lab.machines = std::thread::scope(|scope| {
            let start = |(index, (name, role)): (usize, &(String, &'static str))| {
                let place = lab.place(index, &key, &[]);
                let (name, role) = (name.clone(), *role);
                scope.spawn(move || Machine::start(&name, role, &place))
            };
            let starting: Vec<_> = wanted.iter().enumerate().map(start).collect();
            starting.into_iter().map(|machine| machine.join().unwrap()).collect()
        });
        lab.configure();
        lab
    }

    /// No machines yet.
    pub fn empty() -> Self {
        let slot = slot();
        let folder = tempfile::Builder::new().prefix("orchestrator-hosts-").tempdir().unwrap();
        for name in ["project", "home/.ssh", "output"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::set_permissions(folder.path().join("home/.ssh"), fs::Permissions::from_mode(0o700)).unwrap();
        let lab = Self {
            machines: Vec::new(),
            network: Network::new(),
            version: release::version(),
            settings: String::new(),
            sections: String::new(),
            user: "root",
            folder,
            environment: Vec::new(),
            programs: AtomicU32::new(0),
            _slot: slot,
        };
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"]).arg(lab.home(".ssh/id_ed25519"));
        assert!(keygen.status().unwrap().success());
        lab
    }

    /// Adds a machine, started with more options of `docker run`.
    pub fn add(&mut self, name: &str, role: &'static str, options: &[&str]) {
        let taken = |last: usize| self.machines.iter().any(|machine| machine.address == self.network.address(last));
        let free = (0..200).find(|index| !taken(FIRST + index)).unwrap();
        let machine = Machine::start(name, role, &self.place(free, &self.key(), options));
        self.machines.push(machine);
        self.configure();
    }

    /// Takes a machine out of the configuration, and returns it as it is.
    pub fn take_out(&mut self, name: &str) -> Machine {
        let index = self.machines.iter().position(|machine| machine.name == name).unwrap();
        let machine = self.machines.remove(index);
        self.configure();
        machine
    }

    /// Puts a new machine in the place of one, with the same name and address.
    pub fn rebuild(&mut self, name: &str) {
        let index = self.machines.iter().position(|machine| machine.name == name).unwrap();
        let old = self.machines.remove(index);
        let (role, address) = (old.role, old.address.clone());
        drop(old);
        let key = self.key();
        let place = Place { network: &self.network.name, address, key: &key, options: &[] };
        self.machines.insert(index, Machine::start(name, role, &place));
        self.configure();
    }

    pub fn machine(&self, name: &str) -> &Machine {
        self.machines.iter().find(|machine| machine.name == name).unwrap()
    }

    fn key(&self) -> String {
        fs::read_to_string(self.home(".ssh/id_ed25519.pub")).unwrap().trim().into()
    }

    fn place<'a>(&'a self, index: usize, key: &'a str, options: &'a [&'a str]) -> Place<'a> {
        Place { network: &self.network.name, address: self.network.address(FIRST + index), key, options }
    }

    /// Adds a variable to the environment.
    pub fn env(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.into()));
    }

    /// Writes the configuration, and the host keys of the machines for SSH.
    pub fn configure(&self) {
        let hosts: String = self.machines.iter().map(|machine| self.host_line(machine)).collect();
        self.write(&hosts);
        let file = self.home(".ssh/known_hosts");
        let before = fs::read_to_string(&file).unwrap_or_default();
        let is_here =
            |line: &str| self.machines.iter().any(|machine| line.starts_with(&format!("{} ", machine.address)));
        let gone = before.lines().filter(|line| !is_here(line));
        let known: String = gone
            .chain(self.machines.iter().map(|machine| machine.known.as_str()))
            .map(|line| format!("{line}\n"))
            .collect();
        fs::write(file, known).unwrap();
    }

    /// What the configuration says of a machine.
    pub fn host_line(&self, machine: &Machine) -> String {
        let Machine { name, role, address, .. } = machine;
        format!(
            "[[ssh.hosts]]\nname = \"{name}\"\nrole = \"{role}\"\naddress = \"{address}\"\nuser = \"{}\"\n",
            self.user
        )
    }

    /// Writes the configuration with these `[[ssh.hosts]]`.
    pub fn write(&self, hosts: &str) {
        let (version, folder) = (&self.version, artifacts(&self.version));
        let text = format!(
            "version = 1\n[cluster]\nname = \"rack\"\nprovider = \"ssh\"\n[k3s]\nversion = \"{version}\"\n\
             artifacts = \"{}\"\n[k3s.config]\n{}{}\n{hosts}{}",
            folder.display(),
            release::settings(),
            self.settings,
            self.sections
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
        self.path(".orchestrator/rack")
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env_clear()
            .env("HOME", self.home(""))
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Starts the orchestrator.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        let number = self.programs.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str| self.folder.path().join("output").join(format!("{number}.{name}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        // Without a terminal: nobody is there to be asked.
        let mut command = self.command("setsid", &[&[BINARY], arguments].concat());
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running::new(command.spawn().unwrap(), stdout, stderr)
    }

    /// Runs the orchestrator to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.spawn(arguments))
    }

    /// Runs kubectl on the cluster, with the kubeconfig that was written, and returns what it printed. It is asked again
    /// while etcd chooses a leader, as everyone does who asks a cluster.
    #[track_caller]
    pub fn kubectl(&self, arguments: &str) -> String {
        let kubeconfig = self.state().join("kubeconfig");
        let words: Vec<_> = arguments.split_whitespace().collect();
        let said = eventually("an API that answers", || {
            let output = self.command("kubectl", &words).env("KUBECONFIG", &kubeconfig).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            (!told.contains("(ServiceUnavailable)")).then_some((output.status.success(), said, told))
        });
        assert!(said.0, "kubectl {arguments}: {}", said.2);
        said.1
    }

    /// An image that every machine has: of a real K3s the one that keeps a pod's network, which runs for ever.
    #[track_caller]
    pub fn image(&self) -> String {
        if !release::real_is_tested() {
            return "web".into();
        }
        let images = self.machines[0].sh("k3s ctr -n k8s.io images ls -q");
        images.lines().find(|name| name.contains("pause") && !name.contains('@')).unwrap().into()
    }

    /// The names of the nodes that are Ready, in order.
    #[track_caller]
    pub fn ready(&self) -> Vec<String> {
        let nodes: Value = serde_json::from_str(&self.kubectl("get nodes -o json")).unwrap();
        let is_ready = |node: &&Value| {
            let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        let ready = nodes["items"].as_array().unwrap().iter().filter(is_ready);
        let mut names: Vec<_> = ready.map(|node| node["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Checks that every machine is a node that is ready, and has said so since its K3s was started, and no other node
    /// is there.
    #[track_caller]
    pub fn is_whole(&self) {
        for machine in &self.machines {
            let (said, started) = (self.reported(&machine.name), machine.started());
            assert!(
                said >= started,
                "{} last said at {said} that it is ready, and was started at {started}",
                machine.name
            );
        }
        let mut names: Vec<_> = self.machines.iter().map(|machine| machine.name.clone()).collect();
        names.sort();
        assert_eq!(self.ready(), names, "{}", self.journals());
        assert_eq!(self.kubectl("get nodes -o name").lines().count(), names.len());
    }

    /// The last words of every machine's K3s, to tell what happened.
    fn journals(&self) -> String {
        let journal = |machine: &Machine| {
            let (_, lines) = machine.try_sh(&format!("journalctl -q -u {} -o short-precise -n 40", machine.unit()));
            format!("{}:\n{lines}", machine.name)
        };
        self.machines.iter().map(journal).collect()
    }

    /// When a node last said that it is ready, in seconds since 1970.
    #[track_caller]
    fn reported(&self, name: &str) -> i64 {
        let path = "{.status.conditions[?(@.type=='Ready')].lastHeartbeatTime}";
        let said = self.kubectl(&format!("get node {name} -o jsonpath={path}"));
        said.trim().parse::<jiff::Timestamp>().unwrap().as_second()
    }

    /// Waits until the cluster knows that a node is gone.
    #[track_caller]
    pub fn until_lost(&self, name: &str) {
        eventually("a node to be lost", || (!self.ready().iter().any(|ready| ready == name)).then_some(()));
    }

    /// How often each machine's K3s was started, as systemd tells its runs apart.
    #[track_caller]
    pub fn invocations(&self) -> Vec<(String, String)> {
        self.machines.iter().map(|machine| (machine.name.clone(), machine.invocation())).collect()
    }

    /// Runs `create` where there is nothing to do, and checks that it does nothing.
    #[track_caller]
    pub fn creates_nothing(&self) {
        let before = self.invocations();
        self.run(&["create"]).ok().says("nothing had to change");
        assert_eq!(self.invocations(), before);
    }
}

/// The last byte of the first machine's address.
const FIRST: usize = 10;

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

/// Waits until another cluster may live.
fn slot() -> MutexGuard<'static, ()> {
    loop {
        for slot in &SLOTS {
            match slot.try_lock() {
                Ok(free) => return free,
                Err(TryLockError::Poisoned(free)) => return free.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The permission bits of a file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
