//! A machine, as steps see it: a few typed operations, the same over SSH and in a rehearsal.

use async_trait::async_trait;

use crate::{
    failure::Failure,
    model::{
        Done, Facts, RemoteFile, UnitState,
        image::{ImageArchive, NodeImages},
        probe::Probe,
    },
};

/// Is told how many of how many bytes are done.
pub type OnProgress<'a> = &'a dyn Fn(u64, u64);

/// Is told each line as it comes.
pub type OnLine<'a> = &'a mut dyn FnMut(&str);

/// A machine that can be worked on. Every operation is safe to repeat.
#[async_trait(?Send)]
pub trait Host {
    /// Returns what the machine is; fails when it does not answer.
    async fn facts(&self) -> Result<Facts, Failure>;

    /// Has these files on the machine; files that are equal already are left alone. Returns the paths that changed.
    async fn put(&self, files: &[RemoteFile], progress: OnProgress<'_>) -> Result<Done<Vec<String>>, Failure>;

    /// Reads a file; `None` when it is not there.
    async fn read(&self, path: &str) -> Result<Option<String>, Failure>;

    /// Returns the release that the K3s binary says it is, such as `v1.33.5+k3s1`.
    async fn k3s_version(&self) -> Result<String, Failure>;

    /// Enables the unit and starts it without waiting; restarts it when it runs and `restart` says so. Returns when it was
    /// told to start, by the machine's clock, in seconds since 1970; `None` when it was left alone.
    async fn start_unit(&self, unit: &str, restart: bool) -> Result<Done<Option<i64>>, Failure>;

    /// Stops the unit and what it started.
    async fn stop_unit(&self, unit: &str) -> Result<Done<()>, Failure>;

    async fn unit_state(&self, unit: &str) -> Result<UnitState, Failure>;

    /// Returns the last lines of the unit's journal.
    async fn journal(&self, unit: &str, lines: usize) -> Result<String, Failure>;

    /// Hands over the last lines of the unit's journal and those that come, until it is dropped.
    async fn follow_journal(&self, unit: &str, lines: usize, on_line: OnLine<'_>) -> Result<(), Failure>;

    /// Saves a snapshot of the cluster's datastore on a server with embedded etcd.
    async fn save_snapshot(&self, name: &str) -> Result<(), Failure>;

    /// Returns what keeps the machine from reaching a server.
    async fn probe(&self, server: Option<&str>) -> Result<Probe, Failure>;

    /// Returns the images that the node has.
    async fn images(&self) -> Result<NodeImages, Failure>;

    /// Sends an archive of images to the node, which takes the parts that are not in it from those it has.
    async fn import_images(&self, archive: &ImageArchive, progress: OnProgress<'_>) -> Result<(), Failure>;
}
