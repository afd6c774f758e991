//! What instances cost, by a table with its date: an estimate, and said to be one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Ec2Provider, record::Node, tags::MADE};
use crate::{
    config::ReachedBy,
    effects::ec2::InstanceState,
    model::{MachineSpec, cost::Cost},
};

const TABLE: &str = include_str!("../../../provision/ec2/prices.toml");
/// As Amazon's own calculator has it.
const HOURS_A_MONTH: f64 = 730.0;

#[derive(Debug, Deserialize)]
struct Prices {
    region: String,
    date: String,
    address: f64,
    disk: f64,
    large: BTreeMap<String, f64>,
}

impl Prices {
    fn read() -> Self {
        toml::from_str(TABLE).expect("the table that was built in is TOML")
    }

    /// Returns what an instance costs in an hour, where the table says so.
    fn instance(&self, kind: &str) -> Option<f64> {
        let (family, size) = kind.split_once('.')?;
        Some(self.large.get(family)? * times_large(size)?)
    }

    fn basis(&self, counted: &str) -> String {
        format!("{counted}; list prices on demand of {} on {}, other regions differ", self.region, self.date)
    }
}

/// Returns how many times the price of `large` a size has.
fn times_large(size: &str) -> Option<f64> {
    Some(match size {
        "nano" => 1.0 / 16.0,
        "micro" => 1.0 / 8.0,
        "small" => 1.0 / 4.0,
        "medium" => 1.0 / 2.0,
        "large" => 1.0,
        "xlarge" => 2.0,
        _ => 2.0 * size.strip_suffix("xlarge")?.parse::<f64>().ok()?,
    })
}

impl Ec2Provider {
    /// Returns what these machines would cost.
    pub(super) fn price_of(&self, specs: &[MachineSpec]) -> Option<Cost> {
        let prices = Prices::read();
        let kind = &self.section.instance_type;
        let public = self.section.address == ReachedBy::Public;
        let each = prices.instance(kind)? + if public { prices.address } else { 0.0 };
        let gib: u64 = specs.iter().map(|spec| spec.disk.div_ceil(1 << 30)).sum();
        let disks = gib as f64 * prices.disk;
        let hourly = each * specs.len() as f64 + disks / HOURS_A_MONTH;
        let addresses = if public { ", their public addresses" } else { "" };
        let counted = format!("{} {kind}{addresses}, {gib} GiB of disk", specs.len());
        let spot = if self.section.spot { ", spot agents cost less" } else { "" };
        Some(Cost {
            hourly,
            monthly: hourly * HOURS_A_MONTH,
            so_far: None,
            age: None,
            basis: prices.basis(&(counted + spot)),
        })
    }

    /// Returns what the machines that were seen last cost until now, at these prices.
    pub(super) fn cost_so_far(&self, specs: &[MachineSpec]) -> Option<Cost> {
        let nodes = self.nodes.borrow();
        let now = jiff::Timestamp::now();
        let since = |text: &str| {
            let begun: jiff::Timestamp = text.parse().ok()?;
            u64::try_from(now.as_second() - begun.as_second()).ok()
        };
        let prices = Prices::read();
        let spent = |node: &Node| {
            let hours = since(&node.instance.launched)? as f64 / 3600.0;
            let public = if node.instance.public_address.is_some() { prices.address } else { 0.0 };
            Some((prices.instance(&node.instance.kind)? + public) * hours)
        };
        let runs = |node: &&Node| node.instance.state == InstanceState::Running;
        let so_far: f64 = nodes.iter().filter(runs).filter_map(spent).sum();
        let age = nodes.iter().filter_map(|node| since(node.instance.tags.get(MADE)?)).max()?;
        // What is shown changes once a minute.
        let (so_far, age) = ((so_far * 100.0).round() / 100.0, age / 60 * 60);
        Some(Cost { so_far: Some(so_far), age: Some(age), ..self.price_of(specs)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_multiples_of_large() {
        let prices = Prices::read();
        let known = |kind: &str| prices.instance(kind).map(|price| (price * 10_000.0).round());
        assert_eq!(known("t3.medium"), Some(416.0));
        assert_eq!(known("t3.micro"), Some(104.0));
        assert_eq!(known("m7i.4xlarge"), Some(8064.0));
        assert_eq!(known("c7g.metal"), None);
        assert_eq!(known("x9.large"), None);
    }
}
