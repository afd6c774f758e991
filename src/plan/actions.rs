//! Wanted minus observed: what `create` would do.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    cluster::Cluster,
    manifests::{
        Identity,
        equal::contains,
        prepare::{HASH_ANNOTATION, STACK_LABEL},
    },
    stack::ParsedStack,
    status::Observed,
};
use crate::model::{Action, MachineState, image::ImageSpec};

/// Returns what would have to be done, in the order `create` does it. `stacks` are prepared as they would be sent.
pub fn actions(cluster: &Cluster, stacks: &[ParsedStack], observed: &Observed) -> Vec<Action> {
    let mut actions = machines(cluster, observed);
    let build = |spec: &ImageSpec| Action::BuildImage { name: spec.name.clone(), push: spec.pushed };
    actions.extend(observed.unbuilt.iter().map(build));
    let live: BTreeMap<_, _> = observed.objects.iter().map(|object| (Identity::of(object), object)).collect();
    for stack in stacks {
        actions.extend(objects(stack, &live));
    }
    for object in observed.objects.iter().filter(|object| is_left_over(object, stacks)) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        actions.push(Action::PruneObject {
            kind: text(&object["kind"]),
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
        });
    }
    actions
}

/// Whether an object was applied for one of these stacks, which no longer has it.
fn is_left_over(object: &Value, stacks: &[ParsedStack]) -> bool {
    let identity = Identity::of(object);
    let owner = &object["metadata"]["labels"][STACK_LABEL];
    let applied = !object["metadata"]["annotations"][HASH_ANNOTATION].is_null();
    let mut owners = stacks.iter().filter(|stack| owner == stack.name.as_str());
    applied && owners.any(|stack| stack.manifests.iter().all(|manifest| manifest.identity() != identity))
}

fn machines(cluster: &Cluster, observed: &Observed) -> Vec<Action> {
    let mut actions = Vec::new();
    for spec in &cluster.machines {
        match observed.machines.iter().find(|machine| machine.name == spec.name) {
            None => actions.push(Action::CreateMachine { name: spec.name.clone(), role: spec.role }),
            Some(machine) if machine.state == MachineState::Stopped => {
                actions.push(Action::StartMachine { name: spec.name.clone() });
            }
            Some(_) => actions.extend(
                observed
                    .to_restart
                    .get(&spec.name)
                    .map(|why| Action::RestartMachine { name: spec.name.clone(), because: why.clone() }),
            ),
        }
    }
    for spec in &cluster.machines {
        let stopped = observed.machines.iter().any(|m| m.name == spec.name && m.state == MachineState::Stopped);
        match observed.nodes.iter().find(|node| node.name == spec.name) {
            None if !stopped => actions.push(Action::JoinNode {
                name: spec.name.clone(),
                role: spec.role,
                version: cluster.k3s.version.clone(),
            }),
            Some(node) if node.version != cluster.k3s.version => actions.push(Action::UpgradeNode {
                name: spec.name.clone(),
                from: node.version.clone(),
                to: cluster.k3s.version.clone(),
            }),
            _ => {}
        }
    }
    let unwanted = observed.machines.iter().filter(|machine| cluster.machines.iter().all(|s| s.name != machine.name));
    actions.extend(unwanted.map(|machine| Action::DestroyMachine { name: machine.name.clone() }));
    actions
}

fn objects(stack: &ParsedStack, live: &BTreeMap<Identity, &Value>) -> Vec<Action> {
    let mut actions = Vec::new();
    for secret in &stack.secrets {
        let known = live.keys().any(|object| {
            object.kind == "Secret"
                && object.namespace.as_deref() == Some(&stack.namespace)
                && object.name == secret.name
        });
        if !known {
            actions.push(Action::GenerateSecret { namespace: stack.namespace.clone(), name: secret.name.clone() });
        }
    }
    for manifest in &stack.manifests {
        let (kind, name) = (manifest.kind().to_owned(), manifest.name().to_owned());
        let namespace = manifest.namespace().unwrap_or_default().to_owned();
        match live.get(&manifest.identity()) {
            None => actions.push(Action::CreateObject { kind, namespace, name }),
            Some(live) if !contains(live, &manifest.object) => {
                actions.push(Action::ChangeObject { kind, namespace, name });
            }
            Some(_) => {}
        }
    }
    actions
}
