//! A cluster in a folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use orchestrator::rehearsal::protocol::Folder;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Ran, within_seconds, words};

/// A running cluster; its process ends with it.
pub struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    /// One server, one agent, no stack.
    pub fn empty() -> Self {
        let cluster = Self::uncreated("version = 1\n[cluster]\nname = \"c\"\nagents = 1\n");
        cluster.orchestrator("create").ok();
        cluster
    }

    /// The shipped configuration and stack.
    pub fn shipped() -> Self {
        let cluster = Self::with_shipped_stack("");
        cluster.orchestrator("create").ok();
        cluster
    }

    /// The shipped configuration with more in its last section, not created yet.
    pub fn with_shipped_stack(faults: &str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let config = fs::read_to_string(repository.join("orchestrator.toml")).unwrap();
        let cluster = Self::uncreated(&config.replace("[rehearsal.faults]", &format!("[rehearsal.faults]\n{faults}")));
        fs::create_dir_all(cluster.path("manifests/microservices")).unwrap();
        for entry in fs::read_dir(repository.join("manifests/microservices")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), cluster.path("manifests/microservices").join(entry.file_name())).unwrap();
        }
        cluster
    }

    fn uncreated(config: &str) -> Self {
        let cluster = Self { folder: tempfile::tempdir().unwrap() };
        cluster.file("orchestrator.toml", config);
        cluster
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn state(&self) -> Option<PathBuf> {
        let mut entries = fs::read_dir(self.path(".orchestrator")).ok()?.flatten().map(|entry| entry.path());
        entries.find(|path| path.join("rehearsal").is_dir())
    }

    fn run(&self, program: &str, line: &str) -> Command {
        let mut command = Command::new(program);
        command.args(words(line)).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.folder.path()).env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    pub fn orchestrator(&self, line: &str) -> Ran {
        self.run(env!("CARGO_BIN_EXE_orchestrator"), line).output().unwrap().into()
    }

    /// A kubectl to start; single quotes group words.
    pub fn command(&self, line: &str) -> Command {
        let mut command = self.run("kubectl", line);
        command.env("KUBECONFIG", self.state().expect("it was created").join("kubeconfig"));
        command
    }

    /// Runs kubectl; single quotes group words.
    pub fn kubectl(&self, line: &str) -> Ran {
        self.command(line).output().expect("kubectl is installed").into()
    }

    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("{line} -o json")).ok()).unwrap()
    }

    /// Applies a YAML manifest.
    #[track_caller]
    pub fn apply(&self, manifest: &str) -> String {
        self.try_apply(manifest, "").ok()
    }

    pub fn try_apply(&self, manifest: &str, options: &str) -> Ran {
        // Some builds of kubectl take for JSON what begins with a brace.
        self.file("applied.yaml", &format!("---\n{manifest}"));
        self.kubectl(&format!("apply -f applied.yaml {options}"))
    }

    /// Writes down what a kubectl with `-w` prints until it is stopped.
    pub fn watch(&self, line: &str) -> Watch {
        let out = self.path(&format!("watched-{}", words(line).join("-").replace('/', "-")));
        let child = self.command(line).stdout(fs::File::create(&out).unwrap()).spawn().unwrap();
        let watch = Watch { child, out };
        within_seconds(20, || (!watch.text().is_empty()).then_some(()));
        watch
    }

    /// Asks the rehearsal's process to do something with a machine, as the provider does.
    pub fn machine(&self, call: &Value) {
        self.file("call.json", &call.to_string());
        self.kubectl("create --raw /rehearsal/v1/call -f call.json").ok();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let folder = self.state().map(|state| Folder(state.join("rehearsal"))).filter(Folder::is_alive);
        let pid = folder.and_then(|folder| folder.read_endpoint()).map(|endpoint| endpoint.pid);
        if let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// A kubectl that watches.
pub struct Watch {
    child: Child,
    out: PathBuf,
}

impl Watch {
    fn text(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// Waits until the output holds, stops, and returns the output.
    pub fn until(mut self, holds: impl Fn(&str) -> bool) -> String {
        let text = within_seconds(60, || Some(self.text()).filter(|text| holds(text)));
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        text
    }
}
