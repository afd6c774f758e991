//! ControllerRevisions: the templates that a StatefulSet or DaemonSet had.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    context::{Context, controlled_by, new_object},
    selector, template,
};
use crate::rehearsal::store::Object;

/// The label that names a pod's revision.
pub const LABEL: &str = "controller-revision-hash";

/// Makes sure that the newest revision is that of the owner's template, and returns it.
pub fn ensure(cx: &mut Context, owner: &Object, value: &Value) -> Option<Arc<Object>> {
    let data = json!({"spec": {"template": value["spec"]["template"]}});
    adopt(cx, owner, &value["spec"]["selector"]);
    let known = history(cx, owner);
    let newest = known.last().map_or(0, |object| number(object));
    if let Some(same) = known.iter().find(|object| object.value()["data"] == data) {
        let same = same.clone();
        if number(&same) < newest {
            let mut value = same.value();
            value["revision"] = json!(newest + 1);
            return cx.store.replace(&same, value).ok();
        }
        return Some(same);
    }
    let hash = template::hash(&value["spec"]["template"], 0);
    let mut revision = new_object("ControllerRevision", &owner.key.namespace, &format!("{}-{hash}", owner.key.name));
    revision["metadata"]["labels"] = value["spec"]["template"]["metadata"]["labels"].clone();
    template::set_label(&mut revision, "controller.kubernetes.io/hash", &hash);
    revision["metadata"]["ownerReferences"] = controlled_by(owner);
    revision["data"] = data;
    revision["revision"] = json!(newest + 1);
    cx.create("ControllerRevision", revision)
}

/// Takes the revisions that an owner of the same name left behind.
fn adopt(cx: &Context, owner: &Object, selector: &Value) {
    let orphans = cx.list("ControllerRevision", Some(&owner.key.namespace)).into_iter();
    let orphans = orphans.filter(|one| one.controller().is_none() && !one.deleting);
    for one in orphans.filter(|one| hash_of(owner, &one.key.name) != one.key.name) {
        if selector::matches(selector, &one.labels) {
            let mut value = one.value();
            value["metadata"]["ownerReferences"] = controlled_by(owner);
            cx.update(&one, value);
        }
    }
}

/// Returns the owner's revisions, the oldest first.
pub fn history(cx: &Context, owner: &Object) -> Vec<Arc<Object>> {
    let mut history = cx.dependents(&owner.uid, "ControllerRevision");
    history.sort_by_key(|object| number(object));
    history
}

fn number(revision: &Object) -> i64 {
    revision.value()["revision"].as_i64().unwrap_or(0)
}

/// Returns what follows the owner's name in a revision's name: its hash.
pub fn hash_of<'a>(owner: &Object, revision: &'a str) -> &'a str {
    revision.strip_prefix(owner.key.name.as_str()).map_or(revision, |rest| rest.trim_start_matches('-'))
}

/// Deletes revisions beyond the owner's history limit that no pod has.
pub fn forget_old(cx: &Context, owner: &Object, value: &Value, used: &[&str]) {
    let limit = value["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
    let history = history(cx, owner);
    let idle: Vec<_> = history.iter().filter(|object| !used.iter().any(|used| *used == object.key.name)).collect();
    let excess = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    idle.into_iter().take(excess).for_each(|object| cx.delete(object));
}
