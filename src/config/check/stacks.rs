//! Stacks that would own the same thing: each deploy of one would undo the other.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use super::Check;

pub(super) fn check(check: &mut Check<'_>) {
    manifests(check);
    secrets(check);
}

fn manifests(check: &mut Check<'_>) {
    let mut owners: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (name, stack) in &check.config.stacks {
        let Some(other) = owners.insert(plain(&stack.manifests), name) else {
            continue;
        };
        let message = format!("the stacks `{other}` and `{name}` have the same manifests");
        let hint = "each would remove what the other deploys: one stack may own a manifest".to_owned();
        check.value(&["stacks", name, "manifests"], message, hint);
    }
}

fn secrets(check: &mut Check<'_>) {
    let mut owners: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (name, stack) in &check.config.stacks {
        let namespace = stack.namespace.as_deref().unwrap_or(name);
        for secret in stack.secrets.keys() {
            let Some(other) = owners.insert((namespace, secret), name) else {
                continue;
            };
            let message = format!("the stacks `{other}` and `{name}` have the same secret `{secret}`");
            let hint = format!("both are in the namespace `{namespace}`: declare it in one of them");
            check.key(&["stacks", name, "secrets", secret], message, hint);
        }
    }
}

/// `./a/` and `a` are the same folder.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}
