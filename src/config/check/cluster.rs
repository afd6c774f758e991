//! The cluster's name and how many machines it has.

use super::Check;
use crate::{
    config::format::DNS_LABEL,
    model::{ProviderKind, Role},
};

pub(super) fn check(check: &mut Check<'_>) {
    name(check);
    length(check);
    servers(check);
}

/// A name from the command line was not held against the schema.
fn name(check: &mut Check<'_>) {
    let Some(name) = &check.overrides.cluster_name else {
        return;
    };
    if let Err(complaint) = (DNS_LABEL.check)(name) {
        check.value(&["cluster", "name"], format!("`{name}` {}", complaint.message), complaint.hint);
    }
}

fn length(check: &mut Check<'_>) {
    let names = check.config.machine_names();
    let Some(longest) = names.iter().max_by_key(|machine| machine.name.len()).filter(|machine| machine.name.len() > 63)
    else {
        return;
    };
    let message = format!("the machine `{}` would have a name of {} characters", longest.name, longest.name.len());
    let surplus = longest.name.len() - 63;
    let hint = format!("a node's name has at most 63: shorten the cluster's name by {surplus}");
    check.value(&["cluster", "name"], message, hint);
}

/// Embedded etcd needs a majority to agree, so an even number is no safer than one less.
fn servers(check: &mut Check<'_>) {
    let names = check.config.machine_names();
    let servers = names.iter().filter(|machine| machine.role == Role::Server).count();
    let external = check.config.k3s.config.contains_key("datastore-endpoint");
    if servers == 0 || !servers.is_multiple_of(2) || external {
        return;
    }
    let message = format!("{servers} servers are no safer than {}", servers - 1);
    let majority = servers / 2 + 1;
    let survives = match servers - majority {
        0 => "none may fail".to_owned(),
        failures => format!("only {failures} may fail"),
    };
    let hint = format!(
        "the datastore works while a majority does, {majority} of {servers}: {survives}, as with {}; use {} or {}",
        servers - 1,
        servers - 1,
        servers + 1
    );
    let path: &[&str] = if check.uses(ProviderKind::Ssh) { &["ssh", "hosts"] } else { &["cluster", "servers"] };
    check.value(path, message, hint);
}
