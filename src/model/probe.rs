//! What is asked of a machine whose K3s does not come up.

use serde::{Deserialize, Serialize};

use super::facts::NicAddress;

/// What a machine sees from where it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// How far its clock is ahead of this computer's, in milliseconds.
    pub clock_ahead: i64,
    /// Bytes free where K3s keeps its data; `None` when it was not said.
    pub disk_free: Option<u64>,
    pub addresses: Vec<NicAddress>,
    /// What a connection to the server's API met: `open`, or what it failed with.
    pub server: Option<String>,
    /// The way to the server, in the kernel's words.
    pub route: Option<String>,
}
