//! The garbage collector: objects whose owners are gone, foreground deletion, orphans.

use serde_json::Value;

use super::context::Context;
use crate::rehearsal::{
    resource::{RESOURCES, Resource},
    store::Object,
};

/// `name` is `Kind/name`.
pub fn reconcile(cx: &mut Context, namespace: &str, name: &str) {
    let Some((kind, name)) = name.split_once('/') else { return };
    let Some(resource) = RESOURCES.iter().find(|resource| resource.kind == kind) else { return };
    let Some(object) = cx.store.get(resource, if resource.namespaced { namespace } else { "" }, name) else { return };
    if object.deleting {
        let value = object.value();
        if has_finalizer(&value, "orphan") {
            return orphan(cx, &object);
        }
        if has_finalizer(&value, "foregroundDeletion") {
            return foreground(cx, &object);
        }
    }
    collect(cx, &object);
}

fn has_finalizer(value: &Value, finalizer: &str) -> bool {
    value["metadata"]["finalizers"].as_array().is_some_and(|list| list.iter().any(|one| one == finalizer))
}

fn dependents(cx: &Context, owner: &Object) -> Vec<std::sync::Arc<Object>> {
    let references = cx.index.dependents(&owner.uid);
    references.filter_map(|(kind, namespace, name)| cx.get(kind, namespace, name)).collect()
}

/// Lets the dependents go free, then the object.
fn orphan(cx: &mut Context, owner: &Object) {
    for dependent in dependents(cx, owner) {
        drop_owners(cx, &dependent, |uid| uid == owner.uid);
    }
    cx.drop_finalizer(owner, "orphan");
}

/// Deletes the dependents; the object goes when those that block it are gone.
fn foreground(cx: &mut Context, owner: &Object) {
    let dependents = dependents(cx, owner);
    for dependent in dependents.iter().filter(|dependent| !dependent.deleting) {
        delete_foreground(cx, dependent);
    }
    let blocks =
        |object: &&std::sync::Arc<Object>| object.owners.iter().any(|one| one.uid == owner.uid && one.blocks_deletion);
    if dependents.iter().filter(blocks).all(|dependent| cx.get_same(dependent).is_none()) {
        cx.drop_finalizer(owner, "foregroundDeletion");
    }
}

fn delete_foreground(cx: &Context, object: &Object) {
    if cx.index.dependents(&object.uid).next().is_some() {
        cx.store.modify(&object.key, |object| {
            let mut value = object.value();
            if has_finalizer(&value, "foregroundDeletion") {
                return None;
            }
            let mut finalizers = value["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            finalizers.push("foregroundDeletion".into());
            value["metadata"]["finalizers"] = Value::Array(finalizers);
            Some(value)
        });
    }
    cx.delete(object);
}

/// Deletes an object whose owners are all gone; forgets the owners that are gone when others are left.
fn collect(cx: &Context, object: &Object) {
    if object.owners.is_empty() || object.deleting {
        return;
    }
    let gone = object.owners.iter().filter(|owner| !cx.index.exists(&owner.uid)).count();
    if gone == object.owners.len() {
        cx.delete(object);
    } else if gone > 0 {
        drop_owners(cx, object, |uid| !cx.index.exists(uid));
    }
}

fn drop_owners(cx: &Context, object: &Object, gone: impl Fn(&str) -> bool) {
    cx.store.modify(&object.key, |object| {
        let mut value = object.value();
        let owners = value["metadata"]["ownerReferences"].as_array_mut()?;
        owners.retain(|owner| !gone(owner["uid"].as_str().unwrap_or_default()));
        if owners.is_empty() {
            value["metadata"].as_object_mut()?.remove("ownerReferences");
        }
        Some(value)
    });
}

impl Context {
    fn get_same(&self, object: &Object) -> Option<std::sync::Arc<Object>> {
        let resource: &'static Resource = object.key.resource;
        self.store.get(resource, &object.key.namespace, &object.key.name).filter(|found| found.uid == object.uid)
    }
}
