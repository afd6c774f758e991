//! The checks that prove that a stack works: what the configuration declares, held against the manifests.

mod contains;
mod placeholders;

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

pub use contains::contains;
pub use placeholders::Placeholders;

use super::manifests::Manifest;
use crate::{
    config::{CheckSection, CheckStepSection, HttpRequest, did_you_mean},
    failure::{CHECK_INVALID, Failure},
};

/// How long a step that only looks is repeated.
const LOOK: Duration = Duration::from_secs(30);
/// How long pods may take to come or go.
const PODS: Duration = Duration::from_secs(180);
/// Workloads that have replicas, and pods that come back when they are deleted.
const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// What proves something about a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub name: String,
    /// What it proves.
    pub title: String,
    pub steps: Vec<CheckStep>,
    /// Done at the end however it went.
    pub finally: Vec<CheckStep>,
}

/// One step of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckStep {
    pub action: Action,
    /// How long it is repeated, or may take; zero: once.
    pub within: Duration,
    /// How long what was seen must stay so.
    pub holds_for: Duration,
}

/// What a step does. Texts may hold placeholders.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Http(Http),
    Exec(Exec),
    Scale { workload: Workload, to: u32 },
    DeletePods { workload: Workload },
}

/// A request to a Service, and what must come back.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    pub method: String,
    pub namespace: String,
    pub service: String,
    /// Its number or name.
    pub port: String,
    /// Without the first `/`.
    pub path: String,
    pub json: Option<Value>,
    pub status: Option<u16>,
    pub contains: Option<Value>,
    /// JSON pointers into the answer, by placeholder.
    pub keep: BTreeMap<String, String>,
}

/// A command in a pod, and what it must print.
#[derive(Debug, Clone, PartialEq)]
pub struct Exec {
    pub workload: Workload,
    pub command: Vec<String>,
    pub prints: Option<String>,
}

/// A workload of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl std::fmt::Display for Action {
    /// `GET shop/api/items`, `psql in orders-database`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(http) => write!(f, "{} {}/{}", http.method, http.service, http.path),
            Self::Exec(exec) => {
                let program = exec.command.first().map_or("", String::as_str);
                write!(f, "{program} in {}", exec.workload.name)
            }
            Self::Scale { workload, to } => write!(f, "scale {} to {to}", workload.name),
            Self::DeletePods { workload } => write!(f, "delete the pods of {}", workload.name),
        }
    }
}

impl Check {
    /// Whether it needs containers that run.
    pub fn needs_containers(&self) -> bool {
        let needs = |step: &CheckStep| matches!(step.action, Action::Http(_) | Action::Exec(_));
        self.steps.iter().chain(&self.finally).any(needs)
    }
}

/// Holds the checks of a stack against its manifests.
///
/// # Errors
/// Every Service and workload that a check names and the stack does not have.
pub fn resolve(
    stack: &str,
    sections: &BTreeMap<String, CheckSection>,
    manifests: &[Manifest],
) -> Result<Vec<Check>, Vec<String>> {
    let mut problems = Vec::new();
    let mut checks = Vec::new();
    for (name, section) in sections {
        let mut steps = |list: &str, steps: &[CheckStepSection]| -> Vec<CheckStep> {
            let resolved = steps.iter().enumerate().map(|(index, step)| {
                let place = |words| format!("[stacks.{stack}.checks.{name}] {list}, step {}: {words}", index + 1);
                resolve_step(step, manifests).map_err(place)
            });
            resolved.filter_map(|step| step.map_err(|problem| problems.push(problem)).ok()).collect()
        };
        checks.push(Check {
            name: name.clone(),
            title: section.title.clone().unwrap_or_else(|| name.clone()),
            steps: steps("steps", &section.steps),
            finally: steps("finally", &section.finally),
        });
    }
    if problems.is_empty() { Ok(checks) } else { Err(problems) }
}

/// The failure of checks that do not fit their stacks.
pub fn failure(problems: &[String]) -> Option<Failure> {
    let count = match problems.len() {
        0 => return None,
        1 => "a problem".to_owned(),
        many => format!("{many} problems"),
    };
    let failure = Failure::new(&CHECK_INVALID, format!("the checks of the stacks have {count}"));
    Some(problems.iter().fold(failure, Failure::because).hint("correct orchestrator.toml, then run the command again"))
}

fn resolve_step(step: &CheckStepSection, manifests: &[Manifest]) -> Result<CheckStep, String> {
    let workload = |name: &Option<String>| workload(name.as_deref().unwrap_or_default(), manifests);
    let (action, usual) = if let Some(text) = &step.http {
        let request = HttpRequest::parse(text).map_err(|complaint| format!("`{text}` {}", complaint.message))?;
        let usual = if request.looks() { LOOK } else { Duration::ZERO };
        (Action::Http(http(&request, step, manifests)?), usual)
    } else if let Some(command) = &step.exec {
        let usual = if step.prints.is_some() { LOOK } else { Duration::ZERO };
        let exec = Exec { workload: workload(&step.r#in)?, command: command.clone(), prints: step.prints.clone() };
        (Action::Exec(exec), usual)
    } else if step.scale.is_some() {
        (Action::Scale { workload: workload(&step.scale)?, to: step.to.unwrap_or_default() }, PODS)
    } else {
        (Action::DeletePods { workload: workload(&step.delete_pods)? }, PODS)
    };
    let within = step.within.map_or(usual, |within| within.0);
    Ok(CheckStep { action, within, holds_for: step.holds_for.map(|time| time.0).unwrap_or_default() })
}

fn http(request: &HttpRequest<'_>, step: &CheckStepSection, manifests: &[Manifest]) -> Result<Http, String> {
    let services = || manifests.iter().filter(|manifest| manifest.kind() == "Service");
    let service = services().find(|manifest| manifest.name() == request.service).ok_or_else(|| {
        let hint = did_you_mean(request.service, services().map(Manifest::name));
        said("Service", request.service, hint)
    })?;
    let first = || service.object.pointer("/spec/ports/0/port").and_then(Value::as_u64).map(|port| port.to_string());
    let port = request.port.map(str::to_owned).or_else(first);
    Ok(Http {
        method: request.method.into(),
        namespace: service.namespace().unwrap_or_default().into(),
        service: request.service.into(),
        port: port.ok_or_else(|| format!("Service `{}` has no port: name one after a `:`", request.service))?,
        path: request.path.into(),
        json: step.json.clone(),
        status: step.status,
        contains: step.contains.clone(),
        keep: step.keep.clone(),
    })
}

fn workload(name: &str, manifests: &[Manifest]) -> Result<Workload, String> {
    let workloads = || manifests.iter().filter(|manifest| KINDS.contains(&manifest.kind()));
    let found: Vec<_> = workloads().filter(|manifest| manifest.name() == name).collect();
    match found[..] {
        [one] => Ok(Workload {
            api_version: one.api_version().into(),
            kind: one.kind().into(),
            namespace: one.namespace().unwrap_or_default().into(),
            name: name.into(),
        }),
        [] => Err(said("workload", name, did_you_mean(name, workloads().map(Manifest::name)))),
        _ => Err(format!("the stack has more than one workload `{name}`")),
    }
}

fn said(kind: &str, name: &str, hint: Option<String>) -> String {
    let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    format!("the stack has no {kind} `{name}`{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::manifests;

    const MANIFESTS: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {ports: [{port: 8080}]}\n---\n\
        apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: orders}\n";

    fn checks(text: &str) -> Result<Vec<Check>, Vec<String>> {
        let sections: BTreeMap<String, CheckSection> = toml::from_str(text).unwrap();
        let manifests = manifests::parse(&[("a.yaml".into(), MANIFESTS.into())], "market").unwrap();
        resolve("market", &sections, &manifests)
    }

    #[test]
    fn steps_find_their_services_and_workloads() {
        let checks = checks("[it]\nsteps = [{ http = \"GET shop/a\" }, { scale = \"orders\", to = 0 }]").unwrap();
        let Action::Http(http) = &checks[0].steps[0].action else { panic!("{checks:?}") };
        assert_eq!((http.namespace.as_str(), http.port.as_str(), http.path.as_str()), ("market", "8080", "a"));
        assert_eq!(checks[0].steps[0].within, LOOK);
        let Action::Scale { workload, to: 0 } = &checks[0].steps[1].action else { panic!("{checks:?}") };
        assert_eq!((workload.kind.as_str(), workload.namespace.as_str()), ("StatefulSet", "market"));
        assert_eq!((checks[0].title.as_str(), checks[0].needs_containers()), ("it", true));
    }

    #[test]
    fn everything_that_is_not_there_is_told_at_once() {
        let text = "[it]\nsteps = [{ http = \"POST shpo/a\" }]\nfinally = [{ delete-pods = \"queue\" }]";
        let problems = checks(text).unwrap_err();
        assert_eq!(
            problems,
            [
                "[stacks.market.checks.it] steps, step 1: the stack has no Service `shpo`: did you mean `shop`?",
                "[stacks.market.checks.it] finally, step 1: the stack has no workload `queue`: possible here: `orders`",
            ]
        );
        assert_eq!(failure(&problems).unwrap().what, "the checks of the stacks have 2 problems");
        assert_eq!(failure(&[]), None);
    }
}
