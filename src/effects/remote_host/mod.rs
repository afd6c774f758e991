//! A machine over SSH: every operation is a fixed script of `provision/host/` whose values travel on standard input.

mod facts;
mod images;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use super::{
    host::{Host, OnLine, OnProgress},
    ssh::{As, Output, Ssh, SshError, Upload},
};
use crate::{
    failure::{BINARY_NOT_RUNNABLE, DISK_FULL, Failure, HOST_COMMAND_FAILED},
    model::{
        Content, Done, Facts, RemoteFile, UnitState,
        hex::hex,
        image::{ImageArchive, NodeImages},
        probe::Probe,
    },
};

/// A script that no other script of its kind on the machine overlaps, also not one of a command that was killed.
macro_rules! alone {
    ($($script:literal),+) => {
        concat!(
            include_str!("../../../provision/host/alone.sh"),
            $(include_str!(concat!("../../../provision/host/", $script))),+
        )
    };
}

const FACTS: &str = alone!("vitals.sh", "facts.sh");
const PROBE: &str =
    concat!(include_str!("../../../provision/host/vitals.sh"), include_str!("../../../provision/host/probe.sh"));
const PUT: &str = alone!("put.sh");
const STAMP: &str = alone!("stamp.sh");
const READ: &str = include_str!("../../../provision/host/read.sh");
const K3S_VERSION: &str = include_str!("../../../provision/host/k3s-version.sh");
const START_UNIT: &str = alone!("start-unit.sh");
const STOP_UNIT: &str = alone!("stop-unit.sh");
const END_PODS: &str = alone!("end-pods.sh");
const UNIT_STATE: &str = include_str!("../../../provision/host/unit-state.sh");
const JOURNAL: &str = include_str!("../../../provision/host/journal.sh");
const FOLLOW_JOURNAL: &str = include_str!("../../../provision/host/follow-journal.sh");
const IMAGES: &str = include_str!("../../../provision/host/images.sh");
const IMPORT_IMAGES: &str = include_str!("../../../provision/host/import-images.sh");
const SAVE_SNAPSHOT: &str = include_str!("../../../provision/host/save-snapshot.sh");
const UNINSTALL: &str = alone!("uninstall.sh");

/// Where archives of images wait to be imported; K3s does not look there.
const ARCHIVES: &str = "/var/lib/rancher/k3s/orchestrator-images";
/// What programs say on a full disk.
const NO_SPACE: &str = "No space left on device";
/// How many of a unit's last lines tell what is wrong with it.
const LINES: usize = 20;

/// A machine over SSH.
pub struct RemoteHost {
    ssh: Rc<Ssh>,
    /// Files that are known to be there, with mode and SHA-256, so that they are not sent to be compared.
    known: RefCell<HashMap<String, (u32, String)>>,
    /// When it was first asked, by its own clock, in seconds since 1970: what it wrote before says nothing about now.
    met: Cell<i64>,
    /// What the machine said when all were asked, for the one who asks it next.
    heard: RefCell<Option<Facts>>,
}

impl RemoteHost {
    pub fn new(ssh: Rc<Ssh>) -> Self {
        Self { ssh, known: RefCell::default(), met: Cell::default(), heard: RefCell::default() }
    }

    pub fn ssh(&self) -> &Rc<Ssh> {
        &self.ssh
    }

    /// Asks the machine what it is, and keeps the answer for whoever asks next: the machines are listed, and a moment
    /// later they are reached.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub async fn hear(&self) -> Result<Facts, Failure> {
        let facts = self.ask().await?;
        self.heard.replace(Some(facts.clone()));
        Ok(facts)
    }

    async fn ask(&self) -> Result<Facts, Failure> {
        let text = self.script("ask what it is", FACTS, "").await?;
        let facts = facts::facts(&text, now());
        let known = facts.files.iter().map(|file| (file.path.clone(), (file.mode, file.sha256.clone())));
        self.known.replace(known.collect());
        if self.met.get() == 0 {
            self.met.set((now().as_millis() as i64 + facts.clock_ahead) / 1000);
        }
        Ok(facts)
    }

    /// Removes K3s and everything that was put there for it.
    ///
    /// # Errors
    /// When the machine does not answer or something cannot be removed.
    pub async fn uninstall(&self) -> Result<Done<()>, Failure> {
        self.known.borrow_mut().clear();
        self.heard.take();
        for unit in ["k3s-agent", "k3s"] {
            self.script("stop K3s", STOP_UNIT, unit).await?;
        }
        self.script("end the pods", END_PODS, "").await?;
        Ok(said_changed(&self.script("remove K3s", UNINSTALL, "").await?))
    }

    /// Runs a script as root; what it wrote is returned.
    async fn script(&self, what: &str, script: &str, input: &str) -> Result<String, Failure> {
        let output = self.ssh.run(As::Root, script, format!("{input}\n")).await;
        self.checked(what, output)
    }

    fn checked(&self, what: &str, output: Result<Output, SshError>) -> Result<String, Failure> {
        let name = &self.ssh.target().name;
        let output = output.map_err(|error| self.ssh.failure(&error))?;
        if output.ended.ok() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = [output.stdout, output.stderr].concat();
        let full = String::from_utf8_lossy(&words).contains(NO_SPACE);
        let entry = if full { &DISK_FULL } else { &HOST_COMMAND_FAILED };
        Err(Failure::new(entry, format!("cannot {what} on machine `{name}`"))
            .because(output.ended)
            .output(String::from_utf8_lossy(&words).trim())
            .hint(format!("./orchestrator ssh {name}")))
    }

    fn not_sent(&self, error: &SshError) -> Failure {
        let name = &self.ssh.target().name;
        if !error.to_string().contains(NO_SPACE) {
            return self.ssh.failure(error);
        }
        let hint = format!("./orchestrator ssh {name} -- df -h");
        Failure::new(&DISK_FULL, format!("machine `{name}` has a full disk")).because(error).hint(hint)
    }

    /// Has these files, each with its text and the SHA-256 of it, on the machine, and takes them off the list. Returns the
    /// paths that changed.
    async fn put_texts(&self, files: &mut Vec<(&RemoteFile, &str, String)>) -> Result<Vec<String>, Failure> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let line = |(file, text, _): &(&RemoteFile, &str, String)| {
            let body = if text.is_empty() { "-".into() } else { BASE64_STANDARD.encode(text) };
            format!("{:o} {body} {}\n", file.mode, file.path)
        };
        let input: String = files.iter().map(line).collect();
        let changed = self.ssh.run(As::Root, PUT, input).await;
        let changed = self.checked("write files", changed)?.lines().map(str::to_owned).collect();
        for (file, _, sum) in files.drain(..) {
            self.learn(file, sum);
        }
        Ok(changed)
    }

    fn is_known(&self, file: &RemoteFile, sha256: &str) -> bool {
        self.known.borrow().get(&file.path).is_some_and(|(mode, sum)| *mode == file.mode && sum == sha256)
    }

    fn learn(&self, file: &RemoteFile, sha256: String) {
        self.known.borrow_mut().insert(file.path.clone(), (file.mode, sha256));
    }
}

#[async_trait(?Send)]
impl Host for RemoteHost {
    async fn facts(&self) -> Result<Facts, Failure> {
        let heard = self.heard.take().filter(|facts| !facts.booting);
        if let Some(facts) = heard { Ok(facts) } else { self.ask().await }
    }

    async fn put(&self, files: &[RemoteFile], progress: OnProgress<'_>) -> Result<Done<Vec<String>>, Failure> {
        let mut changed = Vec::new();
        let mut texts = Vec::new();
        for file in files {
            match &file.content {
                Content::Text(text) => {
                    let sum = hex(Sha256::digest(text));
                    if !self.is_known(file, &sum) {
                        texts.push((file, text.as_str(), sum));
                    }
                }
                Content::Release { file: local, .. } => {
                    if self.is_known(file, &local.sha256) {
                        continue;
                    }
                    // In the order of the files: what says whose machine it is comes before what would be left on it.
                    changed.extend(self.put_texts(&mut texts).await?);
                    let upload =
                        Upload { source: &local.path, path: &file.path, mode: file.mode, sha256: &local.sha256 };
                    let sent = self.ssh.upload(upload, &|sent| progress(sent, local.size)).await;
                    let sent = sent.map_err(|error| self.not_sent(&error))?;
                    let stamp = format!("{:o} {} {}", file.mode, local.sha256, file.path);
                    self.script("remember a file", STAMP, &stamp).await?;
                    self.learn(file, local.sha256.clone());
                    if sent.changed() {
                        changed.push(file.path.clone());
                    }
                }
            }
        }
        changed.extend(self.put_texts(&mut texts).await?);
        Ok(Done::when(!changed.is_empty(), changed))
    }

    async fn read(&self, path: &str) -> Result<Option<String>, Failure> {
        let text = self.script("read a file", READ, path).await?;
        Ok(text.strip_prefix("yes\n").map(str::to_owned))
    }

    async fn k3s_version(&self) -> Result<String, Failure> {
        let said = self.script("run K3s", K3S_VERSION, "").await;
        let said = said.map_err(|failure| match failure.id == HOST_COMMAND_FAILED.id {
            true => Failure {
                id: BINARY_NOT_RUNNABLE.id.into(),
                kind: BINARY_NOT_RUNNABLE.kind,
                ..failure
                    .because("it was made for another processor, or it is damaged")
                    .hint(format!("./orchestrator ssh {} -- uname -m", self.ssh.target().name))
            },
            false => failure,
        })?;
        let version = said.lines().next().and_then(|line| line.strip_prefix("k3s version ")?.split(' ').next());
        Ok(version.unwrap_or(said.trim()).to_owned())
    }

    async fn start_unit(&self, unit: &str, restart: bool) -> Result<Done<Option<i64>>, Failure> {
        let how = if restart { "restart" } else { "keep" };
        let said = self.script("start K3s", START_UNIT, &format!("{unit} {how}")).await?;
        let at = said.lines().find_map(|line| line.strip_prefix("at ")?.parse().ok());
        Ok(said_changed(&said).map(|()| at))
    }

    async fn stop_unit(&self, unit: &str) -> Result<Done<()>, Failure> {
        let stopped = self.script("stop K3s", STOP_UNIT, unit).await?;
        let ended = self.script("end the pods", END_PODS, "").await?;
        Ok(said_changed(&(stopped + &ended)))
    }

    async fn unit_state(&self, unit: &str) -> Result<UnitState, Failure> {
        let text =
            self.script("ask for the unit's state", UNIT_STATE, &format!("{unit} {LINES} {}", self.met.get())).await?;
        let (properties, journal) = text.split_once("\n\n").unwrap_or((&text, ""));
        let property = |key: &str| {
            let mut values = properties.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            values.next().unwrap_or_default()
        };
        Ok(UnitState {
            enabled: property("UnitFileState") == "enabled",
            active: property("ActiveState").into(),
            restarts: property("NRestarts").parse().unwrap_or_default(),
            journal: journal.trim_end().into(),
        })
    }

    async fn journal(&self, unit: &str, lines: usize) -> Result<String, Failure> {
        Ok(self.script("read the journal", JOURNAL, &format!("{unit} {lines}")).await?.trim_end().into())
    }

    async fn follow_journal(&self, unit: &str, lines: usize, on_line: OnLine<'_>) -> Result<(), Failure> {
        let mut held = Vec::new();
        let mut on_out = |bytes: &[u8]| {
            held.extend_from_slice(bytes);
            while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = held.drain(..=end).collect();
                on_line(String::from_utf8_lossy(&line).trim_end());
            }
        };
        let output = self.ssh.stream(As::Root, FOLLOW_JOURNAL, format!("{unit} {lines}\n"), &mut on_out).await;
        self.checked("follow the journal", output).map(drop)
    }

    async fn save_snapshot(&self, name: &str) -> Result<(), Failure> {
        self.script("save a snapshot of etcd", SAVE_SNAPSHOT, name).await.map(drop)
    }

    async fn probe(&self, server: Option<&str>) -> Result<Probe, Failure> {
        Ok(facts::probe(&self.script("look around", PROBE, server.unwrap_or("-")).await?, now()))
    }

    async fn images(&self) -> Result<NodeImages, Failure> {
        Ok(images::images(&self.script("list its images", IMAGES, "").await?))
    }

    async fn import_images(&self, archive: &ImageArchive, progress: OnProgress<'_>) -> Result<(), Failure> {
        let path = format!("{ARCHIVES}/{}.tar", archive.sha256);
        let upload = Upload { source: &archive.path, path: &path, mode: 0o600, sha256: &archive.sha256 };
        let sent = self.ssh.upload(upload, &|sent| progress(sent, archive.size)).await;
        sent.map_err(|error| self.not_sent(&error))?;
        self.script("import images", IMPORT_IMAGES, &path).await.map(drop)
    }
}

fn said_changed(text: &str) -> Done<()> {
    Done::when(text.lines().any(|line| line == "changed"), ())
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
