//! A machine, as steps see it: a few typed operations, the same over SSH and in a rehearsal.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{failure::Failure, model::Done};

/// What a machine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Debian's name for it: `amd64`, `arm64`.
    pub arch: String,
    pub os: String,
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
}

/// A file to have on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Absolute.
    pub path: String,
    /// Unix permission bits.
    pub mode: u32,
    pub content: Content,
}

/// Where a file's bytes come from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    Text(String),
    /// A file of a K3s release, such as `k3s` or `k3s-airgap-images-amd64.tar.zst`.
    K3sRelease {
        version: String,
        file: String,
    },
}

impl std::fmt::Debug for Content {
    /// Leaves texts out: they may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::K3sRelease { version, file } => write!(f, "K3sRelease({version}, {file})"),
        }
    }
}

/// What systemd says of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    pub enabled: bool,
    /// `active`, `activating`, `inactive`, `failed`.
    pub active: String,
    pub restarts: u32,
}

/// A machine that can be worked on. Every operation is safe to repeat.
#[async_trait(?Send)]
pub trait Host {
    /// Returns what the machine is; fails when it does not answer.
    async fn facts(&self) -> Result<Facts, Failure>;

    /// Has these files on the machine; files that are equal already are left alone. Returns the paths that changed.
    async fn put(&self, files: &[RemoteFile]) -> Result<Done<Vec<String>>, Failure>;

    /// Reads a file; `None` when it is not there.
    async fn read(&self, path: &str) -> Result<Option<String>, Failure>;

    /// Enables the unit and starts it without waiting; restarts it when it runs and `restart` says so.
    async fn start_unit(&self, unit: &str, restart: bool) -> Result<Done<()>, Failure>;

    /// Stops the unit and what it started.
    async fn stop_unit(&self, unit: &str) -> Result<Done<()>, Failure>;

    async fn unit_state(&self, unit: &str) -> Result<UnitState, Failure>;

    /// Returns the last lines of the unit's journal.
    async fn journal(&self, unit: &str, lines: usize) -> Result<String, Failure>;

    /// Has these images in the node's image store.
    async fn deliver_images(&self, references: &[String]) -> Result<Done<()>, Failure>;
}
