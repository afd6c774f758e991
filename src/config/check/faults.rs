//! Faults of machines that the cluster does not have.

use super::Check;
use crate::{config::suggest, model::ProviderKind};

pub(super) fn check(check: &mut Check<'_>) {
    if !check.uses(ProviderKind::Rehearsal) {
        return;
    }
    let faults = &check.config.rehearsal.faults;
    for (key, machines) in [("never-join", &faults.never_join), ("unit-fails", &faults.unit_fails)] {
        for (index, name) in machines.iter().enumerate() {
            if let Some((message, hint)) = unknown(check, name) {
                check.value(&["rehearsal", "faults", key, &index.to_string()], message, hint);
            }
        }
    }
    for name in faults.slow_boot.keys() {
        if let Some((message, hint)) = unknown(check, name) {
            check.key(&["rehearsal", "faults", "slow-boot", name], message, hint);
        }
    }
}

fn unknown(check: &Check<'_>, name: &str) -> Option<(String, Option<String>)> {
    if check.config.machine_called(name).is_some() {
        return None;
    }
    let prefix = format!("{}-", check.config.cluster.name);
    let machines = check.config.machine_names();
    let long = machines.iter().map(|machine| machine.name.as_str());
    let names: Vec<&str> = match name.starts_with(&prefix) {
        true => long.collect(),
        false => long.filter_map(|name| name.strip_prefix(&prefix)).collect(),
    };
    let shown = names.iter().copied().take(8);
    let hint = suggest::did_you_mean(name, names.iter().copied()).filter(|_| names.len() <= 8);
    let hint = hint.or_else(|| Some(format!("there are {}, ...", suggest::listed(shown))));
    Some((format!("the cluster has no machine `{name}`"), hint))
}
