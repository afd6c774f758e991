//! `[k3s.config]`: settings that K3s would refuse, or that are the orchestrator's own.

use serde_json::Value;

use super::{
    Check,
    settings::{COMPONENTS, OWNED, SETTINGS},
};
use crate::config::suggest;

pub(super) fn check(check: &mut Check<'_>) {
    for name in check.config.k3s.config.keys() {
        setting(check, name);
    }
    disabled(check);
}

fn disabled(check: &mut Check<'_>) {
    let listed = check.config.k3s.config.get("disable").and_then(Value::as_array);
    for (index, name) in listed.into_iter().flatten().enumerate() {
        let Some(name) = name.as_str().filter(|name| !COMPONENTS.contains(name)) else {
            continue;
        };
        if let Some(known) = suggest::nearest(name, COMPONENTS.iter().copied()) {
            let path = ["k3s", "config", "disable", &index.to_string()];
            check.value(&path, format!("K3s has no component `{name}`"), format!("did you mean `{known}`?"));
        }
    }
}

fn setting(check: &mut Check<'_>, name: &str) {
    let path = ["k3s", "config", name];
    let plain = name.trim_end_matches('+');
    if let Some((_, why)) = OWNED.iter().find(|(owned, _)| *owned == plain) {
        return check.key(&path, format!("`{name}` is set by the orchestrator"), format!("leave it out: {why}"));
    }
    if let Some(rest) = plain.strip_prefix('-') {
        let hint = format!("write `{}`", rest.trim_start_matches('-'));
        return check.key(&path, "settings are written without leading hyphens", hint);
    }
    if SETTINGS.contains(&plain) {
        return;
    }
    if let Some(known) = suggest::nearest(plain, SETTINGS.iter().copied()) {
        check.key(&path, format!("K3s has no setting `{name}`"), format!("did you mean `{known}`?"));
    }
}
