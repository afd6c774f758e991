//! The address other nodes reach a machine at, and the network interface that holds it.

use std::net::IpAddr;

use super::{Facts, facts::NicAddress};

/// Returns the address of the machine that was reached at `address`: that address where an interface holds it, else the
/// first that an interface holds (it was reached by name, or through address translation).
pub fn node_address(address: &str, facts: &Facts) -> Option<String> {
    let reached_at: Option<IpAddr> = address.parse().ok();
    let holds = |wanted: IpAddr| facts.addresses.iter().any(|held| held.address == wanted);
    if reached_at.is_some_and(holds) {
        return Some(address.into());
    }
    let ours = |address: &&NicAddress| !is_of_k3s(&address.nic);
    let v4 = facts.addresses.iter().filter(ours).find(|held| held.address.is_ipv4());
    v4.or_else(|| facts.addresses.iter().find(ours)).map(|held| held.address.to_string())
}

/// Returns the interface that holds `address`, when there are several to choose from.
pub fn interface<'f>(address: &str, facts: &'f Facts) -> Option<&'f str> {
    let nics: std::collections::BTreeSet<_> =
        facts.addresses.iter().map(|held| held.nic.as_str()).filter(|nic| !is_of_k3s(nic)).collect();
    let address: IpAddr = address.parse().ok()?;
    let nic = facts.addresses.iter().find(|held| held.address == address)?;
    (nics.len() > 1).then_some(nic.nic.as_str())
}

/// Whether K3s or a container engine made the interface.
fn is_of_k3s(nic: &str) -> bool {
    ["cni", "flannel", "docker", "veth", "br-", "kube-"].iter().any(|prefix| nic.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(addresses: &[(&str, &str)]) -> Facts {
        let held = |(nic, address): &(&str, &str)| NicAddress { nic: (*nic).into(), address: address.parse().unwrap() };
        Facts { addresses: addresses.iter().map(held).collect(), ..Facts::default() }
    }

    #[test]
    fn an_address_that_an_interface_holds_is_the_nodes() {
        let facts = machine(&[("eth0", "10.0.2.15"), ("eth1", "192.168.56.11"), ("cni0", "10.42.0.1")]);
        assert_eq!(node_address("192.168.56.11", &facts).as_deref(), Some("192.168.56.11"));
        assert_eq!(interface("192.168.56.11", &facts), Some("eth1"));
    }

    #[test]
    fn behind_a_translation_or_a_name_the_first_interface_counts() {
        let facts = machine(&[("docker0", "172.17.0.1"), ("ens5", "fd00::5"), ("ens5", "172.31.4.4")]);
        assert_eq!(node_address("classroom.example.org", &facts).as_deref(), Some("172.31.4.4"));
        assert_eq!(node_address("203.0.113.7", &facts).as_deref(), Some("172.31.4.4"));
        assert_eq!(interface("172.31.4.4", &facts), None);
    }
}
