//! The networks of virtual machines: which are free, and who has which address.

use std::{fs, net::Ipv4Addr};

use ipnet::Ipv4Net;

use crate::model::Role;

/// The first address of agents, counted from the network's own.
const AGENTS: u32 = 100;
/// The first address of servers.
const SERVERS: u32 = 10;

/// Returns the private network to take when none is configured: the first that nothing on this computer uses, of those
/// that VirtualBox allows without settings.
pub fn free_private(taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    free(56..=63, taken)
}

/// Returns a network for Vagrant's own way to the machines.
pub fn free_management(taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    free(121..=180, taken)
}

fn free(mut third: impl Iterator<Item = u8>, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    third.find_map(|third| {
        let network = Ipv4Net::new(Ipv4Addr::new(192, 168, third, 0), 24).ok()?;
        taken.iter().all(|other| !overlap(network, *other)).then_some(network)
    })
}

/// Whether two networks have an address in common.
pub fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// Returns the address of the machine with this role and number: the same whatever other machines there are.
pub fn address(network: Ipv4Net, role: Role, number: u32) -> Ipv4Addr {
    let first = if role == Role::Server { SERVERS } else { AGENTS };
    Ipv4Addr::from(u32::from(network.network()) + first + number)
}

/// Returns the networks that this computer has a route to, but for the one that leads everywhere. Empty where routes are
/// not to be read.
pub fn routed() -> Vec<Ipv4Net> {
    fs::read_to_string("/proc/net/route").map(|table| routes(&table)).unwrap_or_default()
}

/// Reads the kernel's table: addresses and masks in hexadecimal, their bytes in the processor's order.
fn routes(table: &str) -> Vec<Ipv4Net> {
    let route = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let number = |field: &str| u32::from_str_radix(field, 16).ok().map(|hex| Ipv4Addr::from(hex.to_ne_bytes()));
        let (address, mask) = (number(fields.get(1)?)?, number(fields.get(7)?)?);
        Ipv4Net::with_netmask(address, mask).ok().filter(|network| network.prefix_len() > 0)
    };
    table.lines().skip(1).filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_network_that_nothing_uses_is_taken() {
        let taken = ["192.168.56.0/24", "192.168.57.128/25"].map(|text| text.parse().unwrap());
        assert_eq!(free_private(&taken).unwrap().to_string(), "192.168.58.0/24");
        assert_eq!(free_private(&["192.168.0.0/16".parse().unwrap()]), None);
    }

    #[test]
    fn the_kernels_table_is_read_in_the_processors_order() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nvirbr1\t0038A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n";
        assert_eq!(routes(table), ["192.168.56.0/24".parse().unwrap()]);
    }

    #[test]
    fn addresses_follow_from_names() {
        let network: Ipv4Net = "192.168.56.0/24".parse().unwrap();
        assert_eq!(address(network, Role::Server, 1).to_string(), "192.168.56.11");
        assert_eq!(address(network, Role::Agent, 2).to_string(), "192.168.56.102");
    }
}
