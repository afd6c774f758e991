use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use orchestrator::rehearsal::protocol::{Endpoint, Folder};
use rustix::process::Signal;

use crate::{
    ran::Ran,
    running::{Running, eventually, kill},
};

const BINARY: &str = env!("CARGO_BIN_EXE_orchestrator");

/// A folder with a configuration, a home and a PATH of its own. What runs for it ends with it.
pub struct Sandbox {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    programs: AtomicU32,
}

impl Sandbox {
    /// The configuration and the stack that are shipped.
    pub fn shipped() -> Self {
        let sandbox = Self::empty();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(repository.join("orchestrator.toml"), sandbox.path("orchestrator.toml")).unwrap();
        fs::create_dir_all(sandbox.path("manifests/microservices")).unwrap();
        for entry in fs::read_dir(repository.join("manifests/microservices")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), sandbox.path("manifests/microservices").join(entry.file_name())).unwrap();
        }
        sandbox
    }

    /// A small stack, `shop`: a Deployment, a StatefulSet with a volume, a Service, a generated Secret.
    pub fn shop() -> Self {
        let sandbox = Self::empty();
        sandbox.write("orchestrator.toml", include_str!("shop/orchestrator.toml"));
        sandbox.write("shop/web.yaml", include_str!("shop/web.yaml"));
        sandbox.write("shop/database.yaml", include_str!("shop/database.yaml"));
        sandbox
    }

    /// No configuration at all.
    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("orchestrator-").tempdir().unwrap();
        let sandbox = Self { folder, environment: Vec::new(), programs: AtomicU32::new(0) };
        for name in ["project", "home", "programs", "output"] {
            fs::create_dir(sandbox.folder.path().join(name)).unwrap();
        }
        let path = std::env::var_os("PATH").unwrap();
        let kubectl = std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|path| path.is_file());
        symlink(kubectl.expect("kubectl is installed"), sandbox.folder.path().join("programs/kubectl")).unwrap();
        sandbox
    }

    /// Adds a variable to the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets a variable of the environment anew.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), value.into()));
    }

    /// Appends to the configuration.
    pub fn configured(self, text: &str) -> Self {
        let before = fs::read_to_string(self.path("orchestrator.toml")).unwrap();
        self.write("orchestrator.toml", &format!("{before}\n{text}\n"));
        self
    }

    /// A path in the project's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("project").join(name)
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces text in a file of the project.
    #[track_caller]
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, &text.replace(from, to));
    }

    fn command_of(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let home = self.home();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env_clear()
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("PATH", self.folder.path().join("programs"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// The orchestrator with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(BINARY, arguments)
    }

    /// Starts a program whose output is kept.
    pub fn start(&self, mut command: Command) -> Running {
        let number = self.programs.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str| self.folder.path().join("output").join(format!("{number}.{name}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running::new(command.spawn().unwrap(), stdout, stderr)
    }

    /// Starts the orchestrator.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        self.start(self.command(arguments))
    }

    /// Runs the orchestrator to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.spawn(arguments).wait()
    }

    /// Runs the orchestrator with a terminal on its stdin where someone types `input`.
    #[track_caller]
    pub fn run_on_terminal(&self, arguments: &[&str], input: &str) -> Ran {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let mut command = self.command(arguments);
        command.stdin(terminal);
        let running = self.start(command);
        File::from(keyboard.try_clone().unwrap()).write_all(input.as_bytes()).unwrap();
        running.wait()
    }

    /// Runs a command line as the screen names it.
    #[track_caller]
    pub fn run_line(&self, line: &str) -> Ran {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["orchestrator", arguments @ ..] => self.run(arguments),
            ["kubectl", arguments @ ..] => {
                let kubectl = self.folder.path().join("programs/kubectl");
                self.start(self.command_of(kubectl, arguments)).wait()
            }
            _ => panic!("not a command: {line}"),
        }
    }

    /// Runs kubectl on the only cluster and returns what it printed.
    #[track_caller]
    pub fn kubectl(&self, arguments: &str) -> String {
        self.try_kubectl(arguments).ok().stdout
    }

    /// Runs kubectl on the only cluster, which may be gone.
    #[track_caller]
    pub fn try_kubectl(&self, arguments: &str) -> Ran {
        let kubeconfig = self.state_directories().pop().expect("there is a cluster").join("kubeconfig");
        self.run_line(&format!("kubectl --kubeconfig {} {arguments}", kubeconfig.display()))
    }

    /// Has snapshots without what differs from run to run, while the guard lives.
    pub fn redacted(&self) -> impl Drop + use<> {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        let folder = fs::canonicalize(self.path("")).unwrap();
        settings.add_filter(&folder.display().to_string(), "[project]");
        settings.add_filter(r"/\S*/programs/", "[programs]/");
        for (pattern, replacement) in [
            (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[id]"),
            (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
            (r" *\d+\.\d+ s\b", "[time]"),
            (r" *\d+ %", " [share]"),
            (r"process \d+", "process [pid]"),
            (r"\d{8}T\d{6}\.\d{3}Z", "[when]"),
            // What comes in another order when the machine is busy.
            (r"(?m)^.*waiting: .*\n", ""),
            (r"(?m)^    \d+ of \d+\n", ""),
            (r"(?m)^ ok (Write kubeconfig|Wait for K3s's add-ons).*\n", ""),
            (r"Wait for (nodes|K3s's add-ons): \w+", "Wait for $1: [outcome]"),
            (r"\d+ restarts?", "[count] restarts"),
        ] {
            settings.add_filter(pattern, replacement);
        }
        settings.bind_to_scope()
    }

    /// The events of the last run that was recorded.
    pub fn last_run(&self) -> Option<String> {
        let folder = self.state_directories().pop()?.join("runs");
        let mut runs: Vec<_> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
        runs.sort();
        fs::read_to_string(runs.pop()?).ok()
    }

    /// The folders of the clusters of this project.
    pub fn state_directories(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path(".orchestrator")).into_iter().flatten().flatten();
        let mut folders: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    }

    /// The rehearsal processes that live.
    pub fn rehearsals(&self) -> Vec<Endpoint> {
        let folders = self.state_directories().into_iter().map(|path| Folder(path.join("rehearsal")));
        folders.filter(Folder::is_alive).filter_map(|folder| folder.read_endpoint()).collect()
    }

    /// Ends the rehearsal's processes as a power cut would.
    pub fn kill_rehearsals(&self) {
        for endpoint in self.rehearsals() {
            kill(endpoint.pid, Signal::KILL);
        }
        eventually("the rehearsals to end", || self.rehearsals().is_empty().then_some(()));
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let folders = self.state_directories().into_iter().map(|path| Folder(path.join("rehearsal")));
        for pid in folders.filter(Folder::is_alive).filter_map(|folder| folder.pid()) {
            kill(pid, Signal::KILL);
        }
    }
}
