//! How long things take: as measured on a real K3s, or a tenth of that.

use std::time::Duration;

/// The pace of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Real,
    /// Everything takes a tenth.
    Fast,
}

impl Pace {
    /// Reads `K3S_STAND_IN_PACE`.
    pub fn from_environment() -> Self {
        match std::env::var("K3S_STAND_IN_PACE").as_deref() {
            Ok("fast") => Self::Fast,
            _ => Self::Real,
        }
    }

    /// Returns how long something takes that takes a real K3s that many milliseconds.
    pub fn of(self, milliseconds: u64) -> Duration {
        match self {
            Self::Real => Duration::from_millis(milliseconds),
            Self::Fast => Duration::from_millis(milliseconds) / 10,
        }
    }
}

/// A server listens.
pub const LISTEN: u64 = 2000;
/// A server says that it is ready, from when it listens.
pub const UP: u64 = 1200;
/// `/readyz` says yes, from then on.
pub const READY: u64 = 1200;
/// A server's kubelet registers its Node, from then on.
pub const REGISTER_SERVER: u64 = 5000;
/// An agent's kubelet registers its Node, from when the agent has its configuration.
pub const REGISTER_AGENT: u64 = 8000;
/// The kubelet's `node-status-update-frequency`, by default.
pub const STATUS: u64 = 10_000;
/// The kubelet looks for new images and pods.
pub const SYNC: u64 = 2000;
/// A node whose kubelet is silent for this long is lost.
pub const LOST: u64 = 40_000;
/// A member looks how the others are.
pub const TICK: u64 = 1000;
/// A new member counts after this time.
pub const LEARN: u64 = 5000;
