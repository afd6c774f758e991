//! `[vagrant]`: a network that cannot hold the machines.

use super::Check;
use crate::{config::Addresses, model::ProviderKind};

/// The smallest network in which every machine's fixed address lies, in bits of its prefix.
const SMALLEST: u8 = 24;
/// How many agents have a fixed address in it.
const AGENTS: u32 = 150;

pub(super) fn check(check: &mut Check<'_>) {
    if !check.uses(ProviderKind::Vagrant) || check.config.vagrant.addresses != Addresses::Fixed {
        return;
    }
    let bits = check.config.vagrant.network.as_deref().and_then(|text| text.split_once('/')?.1.parse::<u8>().ok());
    if bits.is_some_and(|bits| bits > SMALLEST) {
        let message = "the network has no room for the machines' fixed addresses";
        let hint = format!("a `/{SMALLEST}` or larger, or `addresses = \"dhcp\"`");
        check.value(&["vagrant", "network"], message, hint);
    }
    if check.config.cluster.agents > AGENTS {
        let message = format!("only {AGENTS} agents have a fixed address in the machines' network");
        check.value(&["cluster", "agents"], message, "`addresses = \"dhcp\"` in `[vagrant]` has more".to_owned());
    }
}
