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
    /// The names for `cluster`, whose configuration is in the folder `base`.
    pub fn new(cluster: &str, base: &Path) -> Self {
        let place = [base.as_os_str().as_encoded_bytes(), cluster.as_bytes()].join(&0);
        Self::beginning(format!("{}-", hex(&Sha256::digest(place)[..3])), cluster)
    }

    /// The names that begin like this.
    pub fn beginning(prefix: String, cluster: &str) -> Self {
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
    fn clusters_of_another_folder_or_name_share_nothing() {
        let one = Names::new("shop", Path::new("/home/ann/a"));
        for other in [Names::new("shop", Path::new("/home/ann/b")), Names::new("lab", Path::new("/home/ann/a"))] {
            assert_ne!(one.prefix, other.prefix);
            assert_eq!(other.machine(&one.of("shop-agent-1")), None);
        }
        assert_eq!(one.machine(&one.of("shop-agent-1")), Some("shop-agent-1"));
        assert_eq!(one.management, format!("{}-nat", one.network));
    }
}
