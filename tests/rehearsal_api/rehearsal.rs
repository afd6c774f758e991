//! The API under test, and kubectl on it.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use orchestrator::rehearsal::{
    api::{Api, serve},
    pki::Tls,
    resource::of,
    store::Store,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::support::{Ran, words};

const TOKEN: &str = "a-token";

/// A rehearsal's API on a free port, in a folder of its own.
pub struct Rehearsal {
    folder: tempfile::TempDir,
    pub api: Arc<Api>,
    port: u16,
    _runtime: Runtime,
}

/// Serves a cluster that has the namespace `default`.
pub fn rehearsal() -> Rehearsal {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::load(&folder.path().join("pki")).unwrap();
    let store = Arc::new(Store::open(&folder.path().join("log")).unwrap());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
    store.create(of("Namespace"), namespace).unwrap();
    let api = Arc::new(Api::new(store, TOKEN, tls.ca.clone(), "v1.33.5+k3s1"));
    std::fs::write(folder.path().join("ca.crt"), &tls.ca).unwrap();
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(serve(listener, tls, api.clone(), std::future::pending()));
    let rehearsal = Rehearsal { folder, api, port, _runtime: runtime };
    rehearsal.write_kubeconfig(TOKEN);
    rehearsal
}

impl Rehearsal {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write_kubeconfig(&self, token: &str) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "r",
            "clusters": [{"name": "r", "cluster": {"server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority": self.path("ca.crt")}}],
            "users": [{"name": "r", "user": {"token": token}}],
            "contexts": [{"name": "r", "context": {"cluster": "r", "user": "r"}}],
        });
        std::fs::write(self.path("kubeconfig"), config.to_string()).unwrap();
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("kubectl");
        command.env("HOME", self.folder.path()).env("KUBECONFIG", self.path("kubeconfig"));
        command.env_remove("KUBECTL_EXTERNAL_DIFF").args(words(line)).current_dir(self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs kubectl; single quotes group words.
    pub fn kubectl(&self, line: &str) -> Ran {
        self.command(line).output().expect("kubectl is installed").into()
    }

    /// Writes a manifest. Some builds of kubectl take for JSON what begins with a brace.
    pub fn file(&self, name: &str, text: &str) {
        let begin = if text.starts_with('{') && !text.starts_with("{\"") { "---\n" } else { "" };
        std::fs::write(self.path(name), format!("{begin}{text}")).unwrap();
    }

    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("{line} -o json")).ok()).unwrap()
    }

    pub fn deployment(&self, file: &str, image: &str) {
        let text = DEPLOYMENT.replace("IMAGE", image);
        self.file(file, &text);
    }
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: 'IMAGE', ports: [{containerPort: 80}]}
";

/// A manifest in which `NAME` is to be replaced by the pod's name.
pub const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: default, labels: {app: NAME}}
spec: {containers: [{name: main, image: 'busybox:1'}]}
";
