use clap::Parser;

use super::{global::Global, screen, session::Session};
use crate::{
    effects::computer::Computer,
    failure::{Failure, called_as},
    flows::status::status_of,
    model::{
        finding::{Finding, Level},
        status::ClusterState,
    },
    report,
};

/// Check this computer, the configuration, the provider and the cluster; every finding has a fix
#[derive(Debug, Parser)]
pub struct Args {}

pub async fn run(global: &Global, _: Args) -> Result<u8, Failure> {
    let mut findings = computer(&Computer::new());
    match Session::open(global, None) {
        Ok(session) => cluster(&session, &mut findings).await,
        Err(failure) => findings.push(finding(&failure)),
    }
    for finding in &mut findings {
        finding.fix = finding.fix.take().map(|fix| called_as(&fix, &global.program()));
    }
    if global.json() {
        let findings = serde_json::to_string(&findings).expect("findings are JSON");
        screen::print(&format!("{{\"findings\":{findings}}}"));
    } else {
        screen::print(&report::findings::render(&findings));
    }
    Ok(u8::from(findings.iter().any(|finding| finding.level == Level::Problem)))
}

fn computer(computer: &Computer) -> Vec<Finding> {
    let kubectl = match computer.program("kubectl") {
        Some(path) => Finding::ok(format!("kubectl is {}", path.display())),
        None => Finding::warning(
            "there is no kubectl: `orchestrator status` and `logs` work without it",
            "https://kubernetes.io/docs/tasks/tools/",
        ),
    };
    let builders = ["docker", "podman", "buildah"];
    let builder = match builders.iter().find_map(|name| computer.program(name)) {
        Some(path) => Finding::ok(format!("images can be built with {}", path.display())),
        None => Finding::warning(
            "there is no Docker, Podman or Buildah: a rehearsal needs none, a real cluster needs images",
            "https://docs.docker.com/engine/install/",
        ),
    };
    vec![kubectl, builder]
}

async fn cluster(session: &Session, findings: &mut Vec<Finding>) {
    findings.push(Finding::ok("the configuration has no problem"));
    let stacks = match session.stacks() {
        Ok(stacks) => {
            let objects: usize = stacks.iter().map(|stack| stack.manifests.len()).sum();
            findings.push(Finding::ok(format!("the manifests have no problem ({objects} objects)")));
            stacks
        }
        Err(failure) => return findings.push(finding(&failure)),
    };
    let provider = session.cluster.provider.name();
    let checked = session.provider.check().await;
    findings.push(match &checked {
        Ok(()) => Finding::ok(format!("provider {provider} has what it needs")),
        Err(failure) => finding(failure),
    });
    findings.extend(session.provider.look().await);
    findings.extend(session.release.look(&session.cluster.k3s.version));
    if checked.is_err() {
        return; // the cluster cannot be asked either
    }
    match status_of(&session.view(&stacks)).await {
        Ok(status) => {
            let words = format!("cluster {} is {}", status.cluster, status.state.name());
            if status.state == ClusterState::Partial {
                findings.push(Finding::problem(words, Some("./orchestrator create".into())));
                findings.extend(status.problems.into_iter().map(|problem| Finding::problem(problem, None)));
            } else {
                findings.push(Finding::ok(words));
            }
        }
        Err(failure) => findings.push(finding(&failure)),
    }
}

fn finding(failure: &Failure) -> Finding {
    let words = std::iter::once(failure.to_string()).chain(failure.output.clone());
    Finding::problem(words.collect::<Vec<_>>().join("\n"), failure.hint.clone())
}
