//! The end of the process: SIGTERM from Kubernetes, Ctrl-C from a person.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// How long what was begun may take to end. Kubernetes kills after 30 s, of which 5 s may be a `preStop` hook.
pub const DRAIN: Duration = Duration::from_secs(20);

/// Waits until this process is asked to end.
pub async fn asked() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => (),
        _ = tokio::signal::ctrl_c() => (),
    }
}
