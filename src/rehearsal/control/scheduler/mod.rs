//! The scheduler: finds each waiting pod a node, or says why there is none.

mod filter;
mod storage;

pub use filter::Candidate;
pub use storage::SELECTED_NODE;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    condition::{self, Condition},
    context::Context,
    events::Event,
    index::Pod,
    kubelet::Subject,
    queue::Controller,
};
use crate::rehearsal::store::Object;
use filter::Refusal;

/// Pods looked at before other controllers get their turn.
const BATCH: usize = 256;
const COMPONENT: &str = "default-scheduler";

pub fn reconcile(cx: &mut Context) {
    if cx.index.unscheduled.is_empty() {
        return;
    }
    let mut round = Round::new(cx);
    let names: Vec<_> = cx.index.unscheduled.iter().cloned().collect();
    let mut bound = 0;
    for (namespace, name) in names {
        if bound == BATCH {
            cx.add(Controller::Scheduler, "", "");
            break;
        }
        let Some(pod) = cx.index.get(&namespace, &name).cloned() else { continue };
        bound += usize::from(schedule(cx, &mut round, &pod));
    }
}

/// What one round knows of the nodes; binding keeps it up to date.
struct Round {
    nodes: Vec<Candidate>,
    spread: Spread,
}

/// Pods by owner and node.
type Spread = HashMap<String, HashMap<String, usize>>;

impl Round {
    fn new(cx: &Context) -> Self {
        let nodes = cx.list("Node", None);
        let nodes = nodes.iter().map(|node| Candidate::new(node, cx.index.on_node(&node.key.name).requests)).collect();
        Self { nodes, spread: HashMap::new() }
    }
}

/// Returns how many pods of this pod's owner each node has.
fn pods_by_node<'a>(spread: &'a mut Spread, cx: &Context, pod: &Pod) -> &'a mut HashMap<String, usize> {
    let owner = pod.object.controller().map_or_else(String::new, |owner| owner.uid.clone());
    spread.entry(owner).or_insert_with_key(|owner| {
        let mut counts = HashMap::new();
        for pod in cx.index.pods_of(owner) {
            *counts.entry(pod.node.clone()).or_default() += 1;
        }
        counts
    })
}

/// Returns whether the pod was bound.
fn schedule(cx: &mut Context, round: &mut Round, pod: &Pod) -> bool {
    let object = &pod.object;
    let value = object.value();
    if value["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty())
        || value["spec"]["schedulerName"].as_str().is_some_and(|name| name != COMPONENT)
    {
        return false;
    }
    match choose(cx, round, pod, &value) {
        Ok((node, claims)) if claims.is_empty() => bind(cx, round, pod, value, &node),
        Ok((node, claims)) => {
            for claim in &claims {
                storage::select_node(cx, claim, &node);
            }
            false
        }
        Err(message) => {
            refuse(cx, object, value, &message);
            false
        }
    }
}

/// Returns the best node and the claims that must be bound on it first, or the message that says why there is none.
fn choose(cx: &Context, round: &mut Round, pod: &Pod, value: &Value) -> Result<(String, Vec<Arc<Object>>), String> {
    let total = round.nodes.len();
    if total == 0 {
        return Err("no nodes available to schedule pods".into());
    }
    let claims = storage::claims(cx, &pod.object, value).map_err(|reason| {
        format!("0/{total} nodes are available: {reason}. {}", preemption(total, &BTreeMap::new()))
    })?;
    let forbidden = Subject::of(cx, &pod.object, value).hit_by(&cx.world.faults.unschedulable);
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    let mut fit = Vec::new();
    for (place, node) in round.nodes.iter().enumerate() {
        let verdict = match forbidden {
            true => Err(Refusal::Insufficient("cpu")),
            false => node.takes(cx, pod, value).and_then(|()| claims.fit(node)),
        };
        match verdict {
            Ok(()) => fit.push(place),
            Err(refusal) => *refusals.entry(refusal.to_string()).or_default() += 1,
        }
    }
    let Round { nodes, spread } = round;
    let spread = pods_by_node(spread, cx, pod);
    let best = fit.into_iter().min_by_key(|place| {
        let node = &nodes[*place];
        (spread.get(&node.name).copied().unwrap_or(0), node.used.pods, node.used.cpu)
    });
    let best = best.ok_or_else(|| unavailable(total, &refusals))?;
    Ok((round.nodes[best].name.clone(), claims.unbound))
}

fn unavailable(total: usize, refusals: &BTreeMap<String, usize>) -> String {
    let mut reasons: Vec<_> = refusals.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    reasons.sort();
    format!("0/{total} nodes are available: {}. {}", reasons.join(", "), preemption(total, refusals))
}

fn preemption(total: usize, refusals: &BTreeMap<String, usize>) -> String {
    let lacking = |reason: &&String| reason.starts_with("Insufficient") || reason.starts_with("Too many");
    let victims: usize = refusals.iter().filter(|(reason, _)| lacking(reason)).map(|(_, count)| count).sum();
    let parts = [
        (victims, "No preemption victims found for incoming pod"),
        (total - victims, "Preemption is not helpful for scheduling"),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, text)| format!("{count} {text}")).collect();
    format!("preemption: 0/{total} nodes are available: {}.", parts.join(", "))
}

fn bind(cx: &mut Context, round: &mut Round, pod: &Pod, mut value: Value, node: &str) -> bool {
    let object = &pod.object;
    value["spec"]["nodeName"] = json!(node);
    condition::set(&mut value["status"], Condition { kind: "PodScheduled", status: "True", reason: "", message: "" })
        ["lastProbeTime"] = Value::Null;
    if !cx.update(object, value) {
        return false;
    }
    *pods_by_node(&mut round.spread, cx, pod).entry(node.to_owned()).or_default() += 1;
    if let Some(candidate) = round.nodes.iter_mut().find(|candidate| candidate.name == node) {
        candidate.used += pod.requests;
    }
    let message = format!("Successfully assigned {}/{} to {node}", object.key.namespace, object.key.name);
    cx.event(object, Event::normal(COMPONENT, "Scheduled", message));
    true
}

fn refuse(cx: &mut Context, object: &Object, mut value: Value, message: &str) {
    let known = condition::get(&value["status"], "PodScheduled")["message"] == message;
    if known {
        return;
    }
    value["status"]["phase"] = json!("Pending");
    condition::set(
        &mut value["status"],
        Condition { kind: "PodScheduled", status: "False", reason: "Unschedulable", message },
    )["lastProbeTime"] = Value::Null;
    if cx.is_newest(object) {
        cx.event(object, Event::warning(COMPONENT, "FailedScheduling", message));
        cx.update(object, value);
    }
}
