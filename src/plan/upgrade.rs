//! Which changes of version K3s supports (docs.k3s.io/upgrades): no minor release is skipped, and none goes back.

use crate::{
    failure::{Failure, UPGRADE_REFUSED},
    model::NodeStatus,
};

/// What changes on the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// Settings.
    Settings,
    /// The release of K3s.
    Release,
}

/// Returns what bringing these nodes to version `wanted` changes.
///
/// # Errors
/// When K3s does not support it.
pub fn upgrade(wanted: &str, nodes: &[NodeStatus]) -> Result<Upgrade, Failure> {
    let mut kind = Upgrade::Settings;
    for node in nodes.iter().filter(|node| node.version != wanted) {
        kind = Upgrade::Release;
        let (Some(from), Some(to)) = (numbers(&node.version), numbers(wanted)) else { continue };
        let refused = |because: &str, hint: String| {
            let what = format!("node `{}` cannot go from {} to {wanted}", node.name, node.version);
            Err(Failure::new(&UPGRADE_REFUSED, what).because(because).hint(hint))
        };
        if to < from {
            let hint = format!("write `version = \"{}\"` into [k3s], or destroy and create the cluster", node.version);
            return refused("K3s does not go back to an older release", hint);
        }
        if to[0] != from[0] || to[1] > from[1] + 1 {
            let next = format!("v{}.{}", from[0], from[1] + 1);
            let hint = format!("go through a release of {next} first: set it in [k3s], then ./orchestrator create");
            return refused("K3s skips no minor release", hint);
        }
    }
    Ok(kind)
}

/// Returns major, minor, patch and K3s's own number of `v1.33.5+k3s1`.
fn numbers(version: &str) -> Option<[u32; 4]> {
    let (kubernetes, k3s) = version.trim_start_matches('v').split_once("+k3s").unwrap_or((version, "0"));
    let mut parts = kubernetes.trim_start_matches('v').split('.').map(|part| part.parse().ok());
    let mut next = || parts.next().flatten();
    Some([next()?, next()?, next()?, k3s.parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(from: &str, to: &str, expected: Result<Upgrade, &str>) {
        let node = NodeStatus {
            name: "s1".into(),
            ready: true,
            version: from.into(),
            reason: None,
            server: true,
            address: None,
            reported: None,
        };
        let got = upgrade(to, &[node]).map_err(|failure| failure.because[0].clone());
        assert_eq!(got, expected.map_err(str::to_owned), "{from} to {to}");
    }

    #[test]
    fn one_minor_release_at_a_time_and_never_back() {
        case("v1.33.5+k3s1", "v1.33.5+k3s1", Ok(Upgrade::Settings));
        case("v1.33.5+k3s1", "v1.33.6+k3s1", Ok(Upgrade::Release));
        case("v1.33.5+k3s1", "v1.34.1+k3s1", Ok(Upgrade::Release));
        case("v1.33.5+k3s1", "v1.35.0+k3s1", Err("K3s skips no minor release"));
        case("v1.33.5+k3s2", "v1.33.5+k3s1", Err("K3s does not go back to an older release"));
        case("v1.33.5+k3s1", "v1.32.9+k3s1", Err("K3s does not go back to an older release"));
    }
}
