//! What belongs to a cluster, told by its name: even with the state directory lost, and whatever was being made when a
//! run was interrupted.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::model::hex::hex;

/// The names of what one cluster owns on this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Begins the name of every virtual machine, disk and network.
    pub prefix: String,
    /// The private network.
    pub network: String,
    /// The network that Vagrant reaches machines by, which leads to the internet.
    pub management: String,
}

impl Names {
    /// The names for the cluster whose state directory is `folder`.
    pub fn new(cluster: &str, folder: &Path) -> Self {
        let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
        let prefix = format!("{}-", hex(&digest[..3]));
        Self { network: format!("{prefix}{cluster}"), management: format!("{prefix}{cluster}-nat"), prefix }
    }

    /// Returns what the hypervisor calls a machine.
    pub fn of(&self, machine: &str) -> String {
        format!("{}{machine}", self.prefix)
    }

    /// Returns the machine that the hypervisor calls so, if it is of this cluster.
    pub fn machine<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_folders_with_a_cluster_of_the_same_name_share_nothing() {
        let one = Names::new("shop", Path::new("/home/ann/a/.orchestrator/shop"));
        let other = Names::new("shop", Path::new("/home/ann/b/.orchestrator/shop"));
        assert_ne!(one.prefix, other.prefix);
        let name = one.of("shop-agent-1");
        assert_eq!(one.machine(&name), Some("shop-agent-1"));
        assert_eq!(other.machine(&name), None);
        assert_eq!(one.management, format!("{}-nat", one.network));
    }
}
