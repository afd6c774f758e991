//! The log of a machine's K3s.

use super::{interrupt, screen};
use crate::{failure::Failure, flows::View, model::Machine};

/// Prints the last `tail` lines that K3s wrote on `machine`, and those that follow until Ctrl-C when `follow` is set.
///
/// # Errors
/// When the machine does not answer.
pub async fn show(view: &View<'_>, machine: &Machine, tail: usize, follow: bool) -> Result<u8, Failure> {
    let cancel = interrupt::listen();
    let host = view.provider.host(machine);
    let unit = machine.role.unit();
    if !follow {
        screen::print(&host.journal(unit, tail).await?);
        return Ok(0);
    }
    let mut print = |line: &str| screen::print(line);
    tokio::select! {
        ended = host.follow_journal(unit, tail, &mut print) => ended.map(|()| 0),
        () = cancel.cancelled() => Ok(0),
    }
}
