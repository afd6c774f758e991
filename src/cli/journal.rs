//! The log of a machine's K3s.

use std::time::Duration;

use super::{interrupt, screen};
use crate::{failure::Failure, flows::View, model::Machine};

/// How often a followed journal is read.
const EVERY: Duration = Duration::from_millis(500);

/// Prints the last `tail` lines that K3s wrote on `machine`, and those that follow until Ctrl-C when `follow` is set.
///
/// # Errors
/// When the machine does not answer.
pub async fn show(view: &View<'_>, machine: &Machine, tail: usize, follow: bool) -> Result<u8, Failure> {
    let cancel = interrupt::listen();
    let host = view.provider.host(machine);
    let mut before = host.journal(machine.role.unit(), tail).await?;
    screen::print(&before);
    if !follow {
        return Ok(0);
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = cancel.cancelled() => return Ok(0),
        }
        let now = host.journal(machine.role.unit(), tail.max(1)).await?;
        for line in fresh(&before, &now) {
            screen::print(line);
        }
        before = now;
    }
}

/// Returns the lines of `now` that are not the end of `before`.
fn fresh<'n>(before: &str, now: &'n str) -> Vec<&'n str> {
    let before: Vec<_> = before.lines().collect();
    let mut now: Vec<_> = now.lines().collect();
    let known = (0..=now.len()).rev().find(|&count| before.ends_with(&now[..count])).unwrap_or(0);
    now.split_off(known)
}

#[cfg(test)]
mod tests {
    use super::fresh;

    #[test]
    fn only_lines_that_were_not_there_are_fresh() {
        assert_eq!(fresh("a\nb\nc", "b\nc\nd"), ["d"]);
        assert_eq!(fresh("", "a"), ["a"]);
        assert_eq!(fresh("a\na", "a\na"), Vec::<&str>::new());
        assert_eq!(fresh("a", "b\nc"), ["b", "c"]);
    }
}
