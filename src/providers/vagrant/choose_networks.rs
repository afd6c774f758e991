//! Which networks the machines of a cluster get, once: machines keep theirs, also when the state directory was lost.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::{
    VagrantProvider,
    names::Names,
    networks::{free_management, free_private, overlap, routed},
    record::{Known, Remembered},
};
use crate::{
    config::Hypervisor as Kind,
    failure::{Failure, NETWORK_TAKEN},
};

impl VagrantProvider {
    /// Chooses the networks, and remembers them. Those that machines live in stay, whatever the configuration says.
    pub(super) async fn choose_networks(&self) -> Result<Remembered, Failure> {
        let remembered = self.record.load()?;
        if home(&remembered).is_some() {
            return Ok(remembered);
        }
        let there = self.hypervisor.networks().await?;
        let kind = self.section.hypervisor;
        let computer = Taken { there: &there, routed: routed(), shares: kind == Kind::Virtualbox };
        let chosen = computer.choose(&self.names, self.written(), &remembered)?;
        let chosen = Remembered { hypervisor: Some(kind), ..chosen };
        if chosen != remembered {
            let chosen = chosen.clone();
            self.record.change(|remembered| *remembered = chosen)?;
        }
        Ok(chosen)
    }

    fn written(&self) -> Option<Ipv4Net> {
        self.section.network.as_ref().and_then(|text| text.parse().ok())
    }

    /// Checks that the network that was chosen is the one that the configuration says: machines do not move.
    pub(super) fn check_network(&self) -> Result<(), Failure> {
        match (self.record.load()?.network, self.written()) {
            (Some(chosen), Some(written)) if chosen != written => {
                let what = format!("the machines live in the network {chosen}, and `[vagrant] network` says {written}");
                Err(Failure::new(&NETWORK_TAKEN, what).hint("write the old one, or: ./orchestrator destroy"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the network that machines live in.
fn home(remembered: &Remembered) -> Option<Ipv4Net> {
    remembered.network.filter(|_| remembered.machines.values().any(Known::is_whole))
}

/// The networks of this computer.
struct Taken<'a> {
    /// Those of the hypervisor, by name.
    there: &'a BTreeMap<String, Ipv4Net>,
    routed: Vec<Ipv4Net>,
    /// Whether virtual machines of several owners live in one network.
    shares: bool,
}

impl Taken<'_> {
    fn choose(&self, names: &Names, written: Option<Ipv4Net>, known: &Remembered) -> Result<Remembered, Failure> {
        let ours = |name: &str| self.there.get(name).copied();
        let all: Vec<_> = self.routed.iter().chain(self.there.values()).copied().collect();
        let free = |network: &Ipv4Net| all.iter().all(|other| !overlap(*network, *other));
        let none = || {
            Failure::new(&NETWORK_TAKEN, "every network that machines could have is in use on this computer")
                .hint("write a free one into orchestrator.toml: `[vagrant] network = \"10.99.0.0/24\"`")
        };
        let private = match (ours(&names.network), written) {
            (Some(there), _) => there,
            (None, Some(written)) if self.shares || free(&written) => written,
            (None, Some(written)) => return Err(self.taken(written, free_private(&all))),
            (None, None) => known.network.filter(free).or_else(|| free_private(&all)).ok_or_else(none)?,
        };
        let management = ours(&names.management).or(known.management.filter(free));
        let management = management.or_else(|| free_management(&all)).ok_or_else(none)?;
        Ok(Remembered {
            prefix: Some(names.prefix.clone()),
            network: Some(private),
            management: Some(management),
            ..known.clone()
        })
    }

    /// libvirt would put the machines into the other's network, and Vagrant remove that together with them.
    fn taken(&self, written: Ipv4Net, free: Option<Ipv4Net>) -> Failure {
        let named = self.there.iter().find(|(_, other)| overlap(written, **other));
        let because = match (named, self.routed.iter().find(|other| overlap(written, **other))) {
            (Some((name, other)), _) => format!("the network `{name}` of libvirt is {other}"),
            (None, Some(other)) => format!("this computer has a route to {other}"),
            (None, None) => String::new(),
        };
        let free = free.map_or_else(|| "10.99.0.0/24".into(), |free| free.to_string());
        Failure::new(&NETWORK_TAKEN, format!("the network {written} of `[vagrant] network` is in use on this computer"))
            .because(because)
            .hint(format!("write another one into orchestrator.toml: `[vagrant] network = \"{free}\"`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn names() -> Names {
        Names::beginning("0a-".into(), "shop")
    }

    fn choose(there: &[(&str, &str)], written: Option<&str>, known: Option<&str>) -> Result<String, Failure> {
        let there = there.iter().map(|(name, text)| ((*name).to_owned(), net(text))).collect();
        let taken = Taken { there: &there, routed: vec![net("192.168.57.0/24")], shares: false };
        let known = Remembered { network: known.map(net), ..Remembered::default() };
        Ok(taken.choose(&names(), written.map(net), &known)?.network.unwrap().to_string())
    }

    #[test]
    fn a_network_that_nothing_has_is_chosen_and_kept() {
        assert_eq!(choose(&[("off", "192.168.56.0/24")], None, None).unwrap(), "192.168.58.0/24");
        assert_eq!(choose(&[], None, Some("192.168.60.0/24")).unwrap(), "192.168.60.0/24");
        assert_eq!(choose(&[("0a-shop", "192.168.61.0/24")], None, None).unwrap(), "192.168.61.0/24");
    }

    #[test]
    fn one_that_was_chosen_and_since_taken_is_chosen_anew() {
        assert_eq!(choose(&[], None, Some("192.168.57.0/24")).unwrap(), "192.168.56.0/24");
    }

    #[test]
    fn one_that_is_written_is_not_shared_with_others() {
        let refused = choose(&[("lab", "10.1.0.0/16")], Some("10.1.2.0/24"), None).unwrap_err();
        assert_eq!(refused.because, ["the network `lab` of libvirt is 10.1.0.0/16"]);
        let refused = choose(&[], Some("192.168.57.0/24"), None).unwrap_err();
        assert_eq!(refused.because, ["this computer has a route to 192.168.57.0/24"]);
        assert!(refused.hint.unwrap().contains("192.168.56.0/24"));
        assert_eq!(choose(&[], Some("10.1.2.0/24"), None).unwrap(), "10.1.2.0/24");
    }

    #[test]
    fn machines_do_not_move_to_another_network() {
        assert_eq!(choose(&[("0a-shop", "10.1.2.0/24")], Some("10.1.3.0/24"), None).unwrap(), "10.1.2.0/24");
    }
}
