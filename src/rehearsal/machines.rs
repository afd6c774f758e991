//! The machines of a rehearsal: records with power, files, units and images.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder},
    io,
    io::Write,
    os::unix::fs::DirBuilderExt,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    k3s::K3s,
    protocol::{Answer, Call, Folder, Operation, Settings},
};
use crate::model::{
    Content, Facts, Machine, MachineSpec, MachineState, RemoteFile, Role, UnitState,
    facts::{Installed, InstalledUnit, Owner},
};

const CLUSTER: &str = "/etc/rancher/k3s/orchestrator-cluster";
const BINARY: &str = "/usr/local/bin/k3s";
const CA: &str = "/var/lib/rancher/k3s/server/tls/server-ca.crt";
const STARTED_WITH: &str = "/etc/rancher/k3s/orchestrator-started-with";
/// How many of a unit's last lines are told with its state.
const UNIT_LINES: usize = 20;
/// How long a machine boots.
const BOOT: Duration = Duration::from_millis(80);
/// The first machine's number (198.18.0.11) in the range RFC 2544 sets aside for tests: nobody answers there.
const FIRST_ADDRESS: u32 = 0xC612_000B;

/// One machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub machine: Machine,
    pub spec: MachineSpec,
    pub files: BTreeMap<String, RemoteFile>,
    /// Units that start at boot.
    pub enabled: BTreeSet<String>,
    pub images: BTreeSet<String>,
    #[serde(skip)]
    pub answers_from: Option<Instant>,
}

impl Record {
    /// Returns the release of the K3s that was put there.
    pub fn k3s_version(&self) -> Option<&str> {
        match &self.files.get(BINARY)?.content {
            Content::Release { version, .. } => Some(version),
            Content::Text(_) => None,
        }
    }

    /// Returns the text of a file that was put there.
    fn text(&self, path: &str) -> Option<&str> {
        match &self.files.get(path)?.content {
            Content::Text(text) => Some(text),
            Content::Release { .. } => None,
        }
    }
}

/// All machines of the rehearsal.
pub struct Machines {
    folder: Folder,
    records: Mutex<Vec<Record>>,
    k3s: Arc<K3s>,
    settings: Mutex<Settings>,
}

impl Machines {
    /// Reads the machines that were there before. None of them has power: the process that gave it ended.
    ///
    /// # Errors
    /// When their files cannot be read or made.
    pub fn open(folder: &Folder, k3s: Arc<K3s>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder.machines())?;
        let mut records: Vec<Record> = folder.read_records()?;
        for record in &mut records {
            record.machine.state = MachineState::Stopped;
        }
        Ok(Self { folder: folder.clone(), records: Mutex::new(records), k3s, settings: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// When the machines cannot be saved.
    pub fn answer(&self, call: Call) -> io::Result<Answer> {
        match call {
            Call::Configure(settings) => Ok(self.configure(settings)),
            Call::Create(spec) => self.create(spec),
            Call::Start(name) => self.with(&name, Machines::power_on),
            Call::Stop(name) => self.with(&name, Machines::power_off),
            Call::Destroy(name) => self.destroy(&name),
            Call::On(name, operation) => self.with(&name, |machines, record| machines.operate(record, operation)),
            Call::Shutdown => Ok(Answer::Done { changed: true }),
        }
    }

    fn configure(&self, settings: Settings) -> Answer {
        let mut current = self.settings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changed = *current != settings;
        self.k3s.configure(&settings);
        *current = settings;
        Answer::Done { changed }
    }

    /// Changes the record of one machine and saves it when that changed anything.
    fn with(&self, name: &str, act: impl FnOnce(&Self, &mut Record) -> Answer) -> io::Result<Answer> {
        let mut records = self.lock();
        let Some(record) = records.iter_mut().find(|record| record.machine.name == name) else {
            return Ok(Answer::NotAnswering(format!("there is no machine `{name}`")));
        };
        let answer = act(self, &mut *record);
        let changed = match &answer {
            Answer::Done { changed } | Answer::Machine { changed, .. } => *changed,
            Answer::Changed(paths) => !paths.is_empty(),
            _ => false,
        };
        if changed {
            self.save(record)?;
        }
        Ok(answer)
    }

    fn create(&self, spec: MachineSpec) -> io::Result<Answer> {
        let mut records = self.lock();
        if let Some(record) = records.iter_mut().find(|record| record.machine.name == spec.name) {
            record.spec = spec;
            let answer = self.power_on(&mut *record);
            self.save(record)?;
            return Ok(answer);
        }
        let machine = Machine {
            name: spec.name.clone(),
            role: spec.role,
            state: MachineState::Stopped,
            address: free_address(&records),
        };
        let mut record = Record {
            machine,
            spec,
            files: BTreeMap::new(),
            enabled: BTreeSet::new(),
            images: BTreeSet::new(),
            answers_from: None,
        };
        let answer = self.power_on(&mut record);
        self.save(&record)?;
        records.push(record);
        Ok(answer)
    }

    fn power_on(&self, record: &mut Record) -> Answer {
        let changed = record.machine.state != MachineState::Running;
        if changed {
            record.machine.state = MachineState::Running;
            let settings = self.settings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let slow = settings.faults.slow_boot.iter().find(|(name, _)| *name == record.machine.name);
            let boot = slow.map_or(BOOT, |(_, duration)| *duration);
            record.answers_from = Some(Instant::now() + boot);
            for unit in &record.enabled {
                self.k3s.start(record, unit, boot);
            }
        }
        Answer::Machine { changed, machine: record.machine.clone() }
    }

    fn power_off(&self, record: &mut Record) -> Answer {
        let changed = record.machine.state != MachineState::Stopped;
        self.k3s.stop(&record.machine.name);
        record.machine.state = MachineState::Stopped;
        record.answers_from = None;
        Answer::Machine { changed, machine: record.machine.clone() }
    }

    fn destroy(&self, name: &str) -> io::Result<Answer> {
        let mut records = self.lock();
        let before = records.len();
        self.k3s.stop(name);
        self.k3s.forget(name);
        records.retain(|record| record.machine.name != name);
        let changed = records.len() != before;
        if changed {
            fs::remove_file(self.folder.machine(name))?;
        }
        Ok(Answer::Done { changed })
    }

    fn operate(&self, record: &mut Record, operation: Operation) -> Answer {
        if let Some(silence) = silence(record) {
            return Answer::NotAnswering(silence);
        }
        let name = record.machine.name.clone();
        match operation {
            Operation::Facts => Answer::Facts(Box::new(Facts {
                arch: debian_arch().into(),
                os: "rehearsal".into(),
                cpus: record.spec.cpus,
                memory: record.spec.memory,
                k3s: self.installed(record),
                ..Facts::default()
            })),
            Operation::Put(files) => Answer::Changed(put(record, files)),
            Operation::Read(path) => Answer::File(self.read(record, &path)),
            Operation::K3sVersion => Answer::Text(record.k3s_version().unwrap_or_default().into()),
            Operation::StartUnit { unit, restart } => {
                let enabled = record.enabled.insert(unit.clone());
                let started = if restart || self.k3s.needs_start(&name) {
                    self.k3s.stop(&name);
                    self.k3s.start(record, &unit, Duration::ZERO);
                    true
                } else {
                    false
                };
                Answer::Done { changed: enabled || started }
            }
            Operation::StopUnit(_) => Answer::Done { changed: self.k3s.stop(&name) },
            Operation::UnitState(unit) => {
                let (active, restarts) = self.k3s.state(&name);
                let journal = self.k3s.journal(&name, UNIT_LINES);
                Answer::Unit(UnitState { enabled: record.enabled.contains(&unit), active, restarts, journal })
            }
            Operation::Journal { lines, .. } => Answer::Text(self.k3s.journal(&name, lines)),
            Operation::Images => Answer::Names(record.images.iter().cloned().collect()),
            Operation::DeliverImages(references) => {
                let before = record.images.len();
                for reference in references {
                    self.k3s.deliver(&name, &reference);
                    record.images.insert(reference);
                }
                Answer::Done { changed: record.images.len() != before }
            }
        }
    }

    /// Returns what a real machine would say of its K3s.
    fn installed(&self, record: &Record) -> Installed {
        let was_node = !record.enabled.is_empty();
        let role = record.machine.role;
        let (active, _) = self.k3s.state(&record.machine.name);
        let units = if was_node { vec![InstalledUnit { role, ours: true, active }] } else { Vec::new() };
        Installed {
            owner: record.text(CLUSTER).and_then(Owner::parse),
            units,
            server_data: was_node && role == Role::Server,
            agent_data: was_node,
            joined: None,
            started_with: record.text(STARTED_WITH).map(str::to_owned),
        }
    }

    /// Files that K3s writes are made when they are asked for; the others are what was put there.
    fn read(&self, record: &Record, path: &str) -> Option<String> {
        let given_ca = record.text(CA);
        if let Some(text) = self.k3s.file(&record.machine.name, path, given_ca) {
            return Some(text);
        }
        record.text(path).map(str::to_owned)
    }

    fn save(&self, record: &Record) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(self.folder.path())?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.persist(self.folder.machine(&record.machine.name)).map_err(|error| error.error)?;
        Ok(())
    }
}

fn put(record: &mut Record, files: Vec<RemoteFile>) -> Vec<String> {
    let mut changed = Vec::new();
    for file in files {
        if record.files.get(&file.path) != Some(&file) {
            changed.push(file.path.clone());
            record.files.insert(file.path.clone(), file);
        }
    }
    changed
}

/// Returns why the machine does not answer, if it does not.
fn silence(record: &Record) -> Option<String> {
    match record.answers_from {
        Some(at) if at <= Instant::now() => None,
        Some(_) => Some("connection refused: the machine is booting".into()),
        None => Some("no route to host: the machine has no power".into()),
    }
}

fn free_address(records: &[Record]) -> String {
    let taken: BTreeSet<_> = records.iter().map(|record| record.machine.address.as_str()).collect();
    let addresses = (FIRST_ADDRESS..).map(|number| std::net::Ipv4Addr::from(number).to_string());
    addresses.into_iter().find(|address| !taken.contains(address.as_str())).unwrap_or_default()
}

fn debian_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
