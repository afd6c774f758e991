//! The kubelet: registers its node, says how it is, and keeps saying so.

use std::time::Duration;

use http::{Method, StatusCode};
use orchestrator::rehearsal::control::world::Node;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{sync::watch, time::Instant};

use crate::{
    cluster_access::Access,
    config::Settings,
    faults::{Faults, duration},
    images::{Images, commands, preload::Preload},
    leftovers::{self, Shims},
    log::{self, Fatal},
    pace::{Pace, STATUS, SYNC},
    paths::{Paths, write},
};

/// Where a kubelet reports, below `/v1-k3s/`.
pub const REPORT: &str = "stand-in/report";

/// A pod that runs on the node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunningPod {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// What a server answers to a report.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// The servers of the cluster, as `https://10.0.0.4:6443`.
    pub servers: Vec<String>,
    pub pods: Vec<RunningPod>,
}

/// The kubelet of one node.
pub struct Kubelet {
    access: Access,
    servers: Vec<String>,
    node: Node,
    password: String,
    pace: Pace,
    status_period: Duration,
    ready_at: Option<Instant>,
    never: Option<String>,
}

impl Kubelet {
    /// Makes the kubelet of `node`, which reports through `server`.
    ///
    /// # Errors
    /// When `kubelet-arg` has a wrong duration.
    pub fn new(
        access: Access,
        server: &str,
        node: Node,
        password: String,
        settings: &Settings,
        faults: &Faults,
        pace: Pace,
    ) -> Result<Self, Fatal> {
        let status_period = match settings.kubelet_argument("node-status-update-frequency") {
            Some(text) => pace.of(duration(text)?.as_millis() as u64),
            None => pace.of(STATUS),
        };
        let servers = vec![server.trim_end_matches('/').to_owned()];
        let never = faults.not_ready();
        Ok(Self { access, servers, node, password, pace, status_period, ready_at: None, never })
    }

    /// Registers the node after `delay`, says so on `registered`, and reports for ever.
    pub async fn run(self, paths: &Paths, delay: Duration, registered: watch::Sender<bool>) {
        let (store, socket) = (paths.agent("containerd"), paths.host(commands::SOCKET));
        leftovers::make(paths);
        let preload = Preload::new(paths.agent("images"), store.clone()).import().await;
        let every = self.pace.of(SYNC);
        tokio::select! {
            () = preload.watch(every) => {}
            Err(error) = commands::serve(&socket, store) => {
                log::error(format!("containerd exited: {error}"));
            }
            () = self.report_for_ever(paths, delay, registered) => {}
        }
    }

    async fn report_for_ever(mut self, paths: &Paths, delay: Duration, registered: watch::Sender<bool>) {
        tokio::time::sleep(delay).await;
        let mut failing = false;
        let mut shims = Shims::new(paths);
        loop {
            let store = Images::open(&paths.agent("containerd"), "k8s.io");
            self.node.images = store.list().into_keys().collect();
            match self.report().await {
                Ok(answer) => {
                    failing = false;
                    self.take(&answer);
                    remember_servers(paths, &answer.servers);
                    if store.known_names().as_deref() != Some(&self.node.images)
                        && let Err(error) = store.set_known(&self.node.images)
                    {
                        log::warning(error);
                    }
                    shims.keep(&answer.pods);
                    if !registered.send_replace(true) {
                        log::info(format!(
                            "Annotations and labels have been set successfully on node: {}",
                            self.node.name
                        ));
                    }
                }
                Err(why) if failing => drop(why),
                Err(why) => {
                    log::error(format!("Error updating node status, will retry: {why}"));
                    failing = true;
                }
            }
            let sync = self.pace.of(SYNC);
            let due = self.ready_at.map(|at| at.saturating_duration_since(Instant::now()));
            tokio::time::sleep(due.filter(|_| self.is_waiting()).map_or(sync, |due| due.min(sync))).await;
        }
    }

    fn is_waiting(&self) -> bool {
        self.node.kubelet.as_ref().is_some_and(|kubelet| kubelet.not_ready.is_some()) && self.never.is_none()
    }

    fn take(&mut self, answer: &Answer) {
        self.ready_at.get_or_insert_with(|| Instant::now() + self.status_period);
        for server in &answer.servers {
            if !self.servers.contains(server) {
                self.servers.push(server.clone());
            }
        }
    }

    /// Reports to the first server that takes it; the next report begins with that one.
    async fn report(&mut self) -> Result<Answer, String> {
        if self.ready_at.is_some_and(|at| at <= Instant::now())
            && let Some(kubelet) = &mut self.node.kubelet
        {
            kubelet.not_ready.clone_from(&self.never);
        }
        let mut last = String::new();
        for n in 0..self.servers.len() {
            match self.report_to(&self.servers[n]).await {
                Ok(answer) => {
                    self.servers.swap(0, n);
                    return Ok(answer);
                }
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    async fn report_to(&self, server: &str) -> Result<Answer, String> {
        let body = serde_json::to_vec(&self.node).map_err(|error| error.to_string())?;
        let headers = [("k3s-node-name", self.node.name.clone()), ("k3s-node-password", self.password.clone())];
        let answer = self.access.at(server).answer(Method::POST, REPORT, &headers, body).await?;
        match answer.status() {
            StatusCode::OK => serde_json::from_slice(answer.body()).map_err(|error| error.to_string()),
            status => Err(format!("{server}: {status}")),
        }
    }
}

/// Keeps what the agent's balancer knows, for its next start.
fn remember_servers(paths: &Paths, servers: &[String]) {
    let addresses: Vec<_> = servers.iter().map(|server| server.trim_start_matches("https://")).collect();
    let text = json!({"ServerURL": servers.first(), "ServerAddresses": addresses}).to_string();
    let file = paths.agent("etc/k3s-agent-load-balancer.json");
    if std::fs::read_to_string(&file).is_ok_and(|before| before == text) {
        return;
    }
    if let Err(error) = write(&file, text, 0o600) {
        log::warning(error);
    }
}
