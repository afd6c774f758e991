//! The rehearsal: a background process on this computer plays the machines and the Kubernetes API.

mod host;
mod process;

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::{OnSeen, Provider};
use crate::{
    effects::{host::Host, kube_client::KubeClient},
    failure::{Failure, MACHINE_NOT_CREATED, NO_SHELL, REHEARSAL_NOT_ANSWERING, REHEARSAL_NOT_STARTED, STATE_UNUSABLE},
    model::{Done, Machine, MachineSpec, MachineState},
    rehearsal::protocol::{Answer, Call, Folder, PATH, Settings},
};
use host::RehearsalHost;

/// How long the process may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a slow boot may be ordered to take.
const BOOT: Duration = Duration::from_secs(300);
/// How often it is looked whether the process listens.
const LISTENS: Duration = Duration::from_millis(5);
/// How often it is looked whether the process still lives.
const WATCH: Duration = Duration::from_millis(250);

/// The rehearsal provider of one cluster.
pub struct RehearsalProvider {
    folder: Folder,
    settings: Settings,
    /// The orchestrator's version: a process of another version is replaced.
    version: String,
    connection: RefCell<Option<Rc<KubeClient>>>,
    /// Whether the process shall live now.
    needed: Cell<bool>,
}

impl RehearsalProvider {
    /// The rehearsal whose process keeps its files in `folder`.
    pub fn new(folder: PathBuf, settings: Settings, version: &str) -> Self {
        Self {
            folder: Folder(folder),
            settings,
            version: version.into(),
            connection: RefCell::new(None),
            needed: Cell::new(false),
        }
    }

    /// Sends a call to the process.
    async fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let not_answering = |because: &dyn std::fmt::Display| {
            Failure::new(&REHEARSAL_NOT_ANSWERING, "the rehearsal process does not answer")
                .because(because)
                .hint("./orchestrator create")
        };
        if !self.folder.is_alive() {
            return Err(not_answering(&"it is not running"));
        }
        let client = self.connect().await?;
        let body = serde_json::to_vec(call).expect("a call is JSON");
        let answer = client.send(http::Method::POST, PATH, "application/json", body).await;
        let answer = answer.map_err(|error| not_answering(&error))?;
        serde_json::from_value(answer).map_err(|error| not_answering(&error))
    }

    async fn connect(&self) -> Result<Rc<KubeClient>, Failure> {
        if let Some(client) = self.connection.borrow().clone() {
            return Ok(client);
        }
        let text = process::kubeconfig(&self.folder)?;
        let client = Rc::new(KubeClient::from_kubeconfig(&text).await?);
        self.connection.replace(Some(client.clone()));
        Ok(client)
    }

    /// Orders faults and pace. Waits for a process that was begun by a run that was killed, and that may not listen yet.
    async fn configure(&self) -> Result<Done<()>, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.done(&Call::Configure(self.settings.clone())).await {
                Err(_) if self.folder.is_alive() && Instant::now() < deadline => {}
                configured => return configured,
            }
            self.connection.replace(None);
            tokio::time::sleep(LISTENS).await;
        }
    }

    async fn machine(&self, call: &Call) -> Result<Done<Machine>, Failure> {
        match self.call(call).await? {
            Answer::Machine { changed, machine } => Ok(Done::when(changed, machine)),
            answer => Err(unexpected(&answer)),
        }
    }

    async fn done(&self, call: &Call) -> Result<Done<()>, Failure> {
        match self.call(call).await? {
            Answer::Done { changed } | Answer::Machine { changed, .. } => Ok(Done::when(changed, ())),
            // What does not exist is stopped and destroyed.
            Answer::NotAnswering(_) => Ok(Done::Unchanged(())),
            answer => Err(unexpected(&answer)),
        }
    }
}

fn unexpected(answer: &Answer) -> Failure {
    let because = match answer {
        Answer::NotAnswering(words) => words.clone(),
        answer => format!("unexpected answer {answer:?}"),
    };
    Failure::new(&MACHINE_NOT_CREATED, "the rehearsal process did not do what was asked").because(because)
}

#[async_trait(?Send)]
impl Provider for RehearsalProvider {
    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn prepare(&self) -> Result<Done<()>, Failure> {
        let endpoint = self.folder.read_endpoint();
        let outdated = endpoint.is_some_and(|endpoint| endpoint.version != self.version);
        if self.folder.is_alive() && outdated {
            process::end(&self.folder, PATIENCE).await?;
        }
        let started = if self.folder.is_alive() {
            Done::Unchanged(())
        } else {
            self.connection.replace(None);
            process::start(&self.folder, PATIENCE).await?;
            Done::Changed(())
        };
        self.needed.set(true);
        let configured = self.configure().await?;
        Ok(Done::when(started.changed() || configured.changed(), ()))
    }

    async fn list(&self) -> Result<Vec<Machine>, Failure> {
        let machines = self.folder.read_machines().map_err(|error| {
            Failure::new(&STATE_UNUSABLE, format!("cannot read {}", self.folder.machines().display())).because(error)
        })?;
        let alive = self.folder.is_alive();
        let as_is = |machine: Machine| match alive {
            true => machine,
            false => Machine { state: MachineState::Stopped, ..machine },
        };
        Ok(machines.into_iter().map(as_is).collect())
    }

    async fn create(&self, spec: &MachineSpec, _: OnSeen<'_>) -> Result<Done<Machine>, Failure> {
        self.machine(&Call::Create(spec.clone())).await
    }

    async fn start(&self, machine: &Machine, _: OnSeen<'_>) -> Result<Done<Machine>, Failure> {
        self.machine(&Call::Start(machine.name.clone())).await
    }

    async fn stop(&self, machine: &Machine) -> Result<Done<()>, Failure> {
        if !self.folder.is_alive() {
            return Ok(Done::Unchanged(()));
        }
        self.done(&Call::Stop(machine.name.clone())).await
    }

    async fn destroy(&self, machine: &Machine) -> Result<Done<()>, Failure> {
        if !self.folder.is_alive() {
            return Ok(Done::Changed(()));
        }
        self.done(&Call::Destroy(machine.name.clone())).await
    }

    async fn rest(&self) -> Result<Done<()>, Failure> {
        self.needed.set(false);
        if !self.folder.is_alive() {
            return Ok(Done::Unchanged(()));
        }
        self.call(&Call::Shutdown).await?;
        process::wait_for_end(&self.folder, PATIENCE).await?;
        self.connection.replace(None);
        Ok(Done::Changed(()))
    }

    async fn clean_up(&self) -> Result<Done<()>, Failure> {
        self.needed.set(false);
        if self.folder.is_alive() {
            process::end(&self.folder, PATIENCE).await?;
        }
        match std::fs::remove_dir_all(self.folder.path()) {
            Ok(()) => Ok(Done::Changed(())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Done::Unchanged(())),
            Err(error) => {
                Err(Failure::new(&STATE_UNUSABLE, format!("cannot remove {}", self.folder.path().display()))
                    .because(error))
            }
        }
    }

    async fn leftovers(&self) -> Result<Vec<String>, Failure> {
        let mut left = Vec::new();
        if self.folder.is_alive() {
            let pid = self.folder.pid().unwrap_or_default();
            left.push(format!("the rehearsal process {pid}"));
        }
        if self.folder.path().exists() {
            left.push(self.folder.path().display().to_string());
        }
        Ok(left)
    }

    fn host(&self, machine: &Machine) -> Rc<dyn Host + '_> {
        Rc::new(RehearsalHost::new(self, machine))
    }

    async fn shell(&self, machine: &Machine, _: Option<&[String]>) -> Result<u8, Failure> {
        Err(Failure::new(&NO_SHELL, format!("machine `{}` has no shell", machine.name))
            .because("this is a rehearsal: its machines are records")
            .hint(format!("./orchestrator logs {}", machine.name)))
    }

    fn boots_within(&self) -> Duration {
        BOOT
    }

    fn api_name<'c>(&self, _: &'c str) -> Option<&'c str> {
        None
    }

    async fn api_url(&self, _server: &Machine) -> Result<String, Failure> {
        let endpoint = self.folder.read_endpoint().filter(|_| self.folder.is_alive());
        let endpoint = endpoint.ok_or_else(|| {
            Failure::new(&REHEARSAL_NOT_STARTED, "the rehearsal process is not running").hint("./orchestrator create")
        })?;
        Ok(format!("https://127.0.0.1:{}", endpoint.port))
    }

    async fn lost(&self) -> Failure {
        while !self.needed.get() || self.folder.is_alive() {
            tokio::time::sleep(WATCH).await;
        }
        Failure::new(&REHEARSAL_NOT_ANSWERING, "the rehearsal process ended")
            .because("it was killed or it crashed; what it had acknowledged is kept")
            .hint("./orchestrator create")
    }

    fn caution(&self) -> Option<String> {
        Some("this is a rehearsal: the Kubernetes API is real enough to practise with, but no container runs".into())
    }
}
