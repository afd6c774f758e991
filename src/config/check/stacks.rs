//! Stacks that would own the same manifests.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use super::Check;

pub(super) fn check(check: &mut Check<'_>) {
    let mut owners: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (name, stack) in &check.config.stacks {
        let path = ["stacks", name.as_str(), "manifests"];
        match owners.insert(plain(&stack.manifests), name) {
            Some(other) => {
                let message = format!("the stacks `{other}` and `{name}` have the same manifests");
                let hint = "each would remove what the other deploys: one stack may own a manifest".to_owned();
                check.value(&path, message, hint);
            }
            None => continue,
        }
    }
}

/// `./a/` and `a` are the same folder.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}
