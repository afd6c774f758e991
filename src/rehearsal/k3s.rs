//! K3s on the machines of a rehearsal: units that start, join with the right token, and fail as ordered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    api::{Api, Phase},
    control::world::{Node, Pace, World},
    faults::Faults,
    machines::Record,
    protocol::Settings,
};
use crate::model::{Content, Role};

const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
const KUBECONFIG: &str = "/etc/rancher/k3s/k3s.yaml";
const FULL_TOKEN: &str = "/var/lib/rancher/k3s/server/token";
const BINARY: &str = "/usr/local/bin/k3s";
/// How long a server needs until its API answers.
const SERVER_START: Duration = Duration::from_millis(120);
/// How often an agent looks for its server.
const JOIN_EVERY: Duration = Duration::from_millis(20);
/// How often systemd starts a failing unit again (`RestartSec`).
const RESTART: Duration = Duration::from_secs(5);

/// What K3s needs to know of the API it would serve.
pub struct Identity {
    /// Hash of the CA, as in K3s's full token.
    pub ca_hash: String,
    /// K3s's own kubeconfig, `server: https://127.0.0.1:6443`.
    pub kubeconfig: String,
}

/// The K3s units of all machines.
pub struct K3s {
    world: Arc<World>,
    identity: Identity,
    api: Arc<Api>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    units: HashMap<String, Unit>,
    faults: Faults,
    /// The secret the cluster was begun with.
    secret: Option<String>,
}

struct Unit {
    role: Role,
    active: &'static str,
    restarts: u32,
    journal: Vec<String>,
    fault: Option<&'static str>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a unit reads when it starts.
struct Start {
    node: Node,
    role: Role,
    server: Option<String>,
    secret: String,
    /// Packaged components that are switched off.
    disabled: Vec<String>,
    fault: Option<&'static str>,
    after: Duration,
}

impl K3s {
    pub fn new(world: Arc<World>, identity: Identity, api: Arc<Api>) -> Arc<Self> {
        Arc::new(Self { world, identity, api, inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Orders faults and pace.
    pub fn configure(&self, settings: &Settings) {
        self.lock().faults = settings.faults.clone();
        self.api.set_latency(settings.faults.api_latency);
        self.world.set_faults(settings.faults.clone());
        self.world.set_pace(if settings.real_pace { Pace::real() } else { Pace::default() });
    }

    /// Starts the unit of a machine, `after` it has booted.
    pub fn start(self: &Arc<Self>, record: &Record, unit: &str, after: Duration) {
        let name = record.machine.name.clone();
        let role = if unit == Role::Server.unit() { Role::Server } else { Role::Agent };
        let fault = self.lock().faults.of_unit(&name);
        let start = read_start(record, role).map(|start| Start { fault, after, ..start });
        let k3s = Arc::clone(self);
        let of = name.clone();
        #[expect(clippy::disallowed_methods, reason = "a unit runs beside whoever started it")]
        let task = tokio::spawn(async move { k3s.run(&of, start).await });
        let unit = Unit { role, active: "activating", restarts: 0, journal: Vec::new(), fault, task };
        self.lock().units.insert(name, unit);
    }

    async fn run(&self, name: &str, start: Result<Start, String>) {
        let start = match start {
            Ok(start) => start,
            Err(error) => return self.fail(name, &error).await,
        };
        tokio::time::sleep(start.after).await;
        self.say(name, format!("Starting k3s {}", start.node.version));
        match start.fault {
            Some("failed") => {
                self.fail(
                    name,
                    "level=fatal msg=\"failed to find memory cgroup (v2)\" (ordered in [rehearsal.faults])",
                )
                .await;
            }
            Some(_) => {
                self.say(
                    name,
                    "level=error msg=\"Failed to validate connection to cluster: context deadline exceeded\" \
                     cannot join (ordered in [rehearsal.faults])",
                );
                std::future::pending::<()>().await;
            }
            None => self.join(name, start).await,
        }
    }

    async fn join(&self, name: &str, start: Start) {
        let begins = start.role == Role::Server && start.server.is_none();
        if begins {
            tokio::time::sleep(SERVER_START).await;
        }
        let waiting = Instant::now();
        while !begins && !self.has_server() {
            if waiting.elapsed() > Duration::from_secs(1) {
                self.say(name, "level=info msg=\"Waiting to retrieve agent configuration; server is not ready\"");
            }
            tokio::time::sleep(JOIN_EVERY).await;
        }
        if !self.accepts(&start.secret) {
            let error = if begins {
                "level=fatal msg=\"starting kubernetes: preparing server: bootstrap data already found and encrypted with different token\""
            } else {
                "level=fatal msg=\"token CA hash or password does not match the Cluster: not authorized\""
            };
            return self.fail(name, error).await;
        }
        self.say(name, "level=info msg=\"k3s is up and running\"");
        if let Some(unit) = self.lock().units.get_mut(name) {
            unit.active = "active";
        }
        if start.role == Role::Server {
            self.api.set_version(start.node.version.clone());
            self.api.set_phase(Phase::Ready);
            self.world.set_disabled(start.disabled);
        }
        self.world.join(start.node);
        std::future::pending::<()>().await;
    }

    /// Fails for ever, restarted by systemd each time.
    async fn fail(&self, name: &str, error: &str) {
        loop {
            self.say(name, error);
            if let Some(unit) = self.lock().units.get_mut(name) {
                unit.active = "failed";
            }
            tokio::time::sleep(RESTART).await;
            if let Some(unit) = self.lock().units.get_mut(name) {
                unit.restarts += 1;
            }
        }
    }

    fn accepts(&self, secret: &str) -> bool {
        let mut inner = self.lock();
        let secret = secret.rsplit("::server:").next().unwrap_or(secret).trim().to_owned();
        *inner.secret.get_or_insert_with(|| secret.clone()) == secret
    }

    fn has_server(&self) -> bool {
        self.lock().units.values().any(|unit| unit.role == Role::Server && unit.active == "active")
    }

    fn say(&self, name: &str, line: impl Into<String>) {
        let line = format!("{} k3s: {}", jiff::Timestamp::now().strftime("%b %d %H:%M:%S"), line.into());
        if let Some(unit) = self.lock().units.get_mut(name) {
            unit.journal.push(line);
        }
    }

    /// Stops a machine's unit. Returns whether it ran.
    pub fn stop(&self, name: &str) -> bool {
        let stopped = self.lock().units.remove(name).is_some();
        self.world.set_running(name, false);
        if !self.has_server() {
            self.api.set_phase(Phase::Stopped);
        }
        stopped
    }

    /// Forgets a machine that was destroyed.
    pub fn forget(&self, name: &str) {
        self.world.leave(name);
    }

    /// Whether starting a machine's unit would do anything: it does not run, it failed, or what was ordered to go wrong
    /// with it has changed.
    pub fn needs_start(&self, name: &str) -> bool {
        let inner = self.lock();
        let wanted = inner.faults.of_unit(name);
        inner.units.get(name).is_none_or(|unit| unit.active == "failed" || unit.fault != wanted)
    }

    /// Returns systemd's word for the unit's state, and how often it was restarted.
    pub fn state(&self, name: &str) -> (String, u32) {
        self.lock().units.get(name).map_or(("inactive".into(), 0), |unit| (unit.active.into(), unit.restarts))
    }

    /// Returns the last lines that the unit wrote.
    pub fn journal(&self, name: &str, lines: usize) -> String {
        let inner = self.lock();
        let journal = inner.units.get(name).map(|unit| unit.journal.as_slice()).unwrap_or_default();
        journal[journal.len().saturating_sub(lines)..].join("\n")
    }

    pub fn deliver(&self, name: &str, reference: &str) {
        self.world.deliver(name, reference);
    }

    /// Returns a file that K3s writes on a server; `given_ca` is the CA that it found there, if any.
    pub fn file(&self, name: &str, path: &str, given_ca: Option<&str>) -> Option<String> {
        let inner = self.lock();
        let unit = inner.units.get(name)?;
        if unit.role != Role::Server || unit.active != "active" {
            return None;
        }
        match path {
            KUBECONFIG => Some(self.identity.kubeconfig.clone()),
            FULL_TOKEN => {
                let ca_hash = given_ca.map_or_else(|| self.identity.ca_hash.clone(), super::kubeconfig::ca_hash);
                inner.secret.as_ref().map(|secret| format!("K10{ca_hash}::server:{secret}\n"))
            }
            _ => None,
        }
    }
}

/// Reads what K3s would read: its configuration, its token, its own version.
fn read_start(record: &Record, role: Role) -> Result<Start, String> {
    let text = |path: &str| match record.files.get(path).map(|file| &file.content) {
        Some(Content::Text(text)) => Ok(text.as_str()),
        _ => Err(format!("level=fatal msg=\"open {path}: no such file or directory\"")),
    };
    let Some(version) = record.k3s_version() else {
        return Err(format!("{BINARY}: No such file or directory (status=203/EXEC)"));
    };
    let config: Value = serde_saphyr::from_str(text(CONFIG)?)
        .map_err(|error| format!("level=fatal msg=\"parsing {CONFIG}: {error}\""))?;
    let setting = |key: &str| config[key].as_str().map(str::to_owned);
    let secret = match setting("token-file") {
        Some(path) => text(&path)?.to_owned(),
        None => setting("token").ok_or("level=fatal msg=\"--token is required\"")?,
    };
    let node = Node {
        name: setting("node-name").unwrap_or_else(|| record.machine.name.clone()),
        role,
        address: record.machine.address.clone(),
        version: version.into(),
        cpus: record.spec.cpus,
        memory: record.spec.memory,
        running: true,
        images: record.images.iter().cloned().collect(),
        kubelet: None,
    };
    let disabled = config["disable"].as_array().into_iter().flatten();
    let disabled = disabled.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    Ok(Start { node, role, server: setting("server"), secret, disabled, fault: None, after: Duration::ZERO })
}
