//! Embedded etcd works while a majority of its members does (etcd.io/docs: failure tolerance).

use crate::{
    failure::{Failure, QUORUM_AT_RISK},
    model::NodeStatus,
};

/// Checks that the servers other than `server` are a majority, so that it may restart or go.
///
/// # Errors
/// When etcd would stop.
pub fn can_spare(server: &str, nodes: &[NodeStatus]) -> Result<(), Failure> {
    let servers: Vec<_> = nodes.iter().filter(|node| node.server).collect();
    let others = servers.iter().filter(|node| node.name != server && node.ready).count();
    // A single server has no etcd, and of two each is needed whatever one does.
    if servers.len() < 3 || others > servers.len() / 2 {
        return Ok(());
    }
    let down: Vec<_> = servers.iter().filter(|node| node.name != server && !node.ready).collect();
    let down = down.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
    Err(Failure::new(&QUORUM_AT_RISK, format!("server `{server}` cannot be spared: {down} is not ready"))
        .because(format!("etcd needs {} of {} servers", servers.len() / 2 + 1, servers.len()))
        .hint("./orchestrator status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare(ready: &[bool]) -> bool {
        let node = |(index, ready): (usize, &bool)| NodeStatus {
            name: format!("s{index}"),
            ready: *ready,
            version: String::new(),
            reason: None,
            server: true,
            address: None,
            reported: None,
        };
        can_spare("s0", &ready.iter().enumerate().map(node).collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn a_majority_must_stay() {
        assert!(spare(&[true]));
        assert!(spare(&[true, true, true]));
        assert!(spare(&[false, true, true]));
        assert!(!spare(&[true, false, true]));
        assert!(spare(&[true, false, true, true, true]));
        assert!(!spare(&[true, false, false, true, true]));
    }
}
