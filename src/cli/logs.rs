use clap::Parser;
use futures::StreamExt;
use serde_json::Value;

use super::{global::Global, interrupt, journal, screen, session::Session};
use crate::{
    effects::kube::{Kube, KubeError, LogQuery, ObjectRef},
    failure::{Failure, NO_SUCH_TARGET},
    flows::{self, View},
    model::MachineState,
    plan::selector,
};

/// Show the log of a node's K3s or of a workload's pods
#[derive(Debug, Parser)]
pub struct Args {
    /// A node, a workload (`api-gateway`, `statefulset/billing-app`) or a pod
    #[arg(value_name = "NODE|WORKLOAD")]
    target: String,

    /// The namespace of the workload; looked for in those of the stacks by default
    #[arg(short, long, env = "ORCHESTRATOR_NAMESPACE")]
    namespace: Option<String>,

    /// Go on until Ctrl-C
    #[arg(short, long)]
    follow: bool,

    /// Of the containers' last life, not of this one
    #[arg(short, long)]
    previous: bool,

    /// How many lines of the past
    #[arg(long, default_value_t = 100, env = "ORCHESTRATOR_TAIL")]
    tail: u32,
}

/// One container whose log is wanted.
struct Source {
    namespace: String,
    pod: String,
    container: String,
}

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let stacks = session.stacks()?;
    let view = session.view(&stacks);
    let machines = view.provider.known().await?;
    if let Some(machine) = session.called(&args.target, &machines) {
        if machine.state == MachineState::Stopped {
            return Err(Failure::new(&NO_SUCH_TARGET, format!("node `{}` is stopped", machine.name))
                .hint("./orchestrator start"));
        }
        let lines = usize::try_from(args.tail).unwrap_or(usize::MAX);
        return journal::show(&view, machine, lines, args.follow).await;
    }
    flows::running(&machines, &session.cluster.name)?;
    let kube = view.kube().await?;
    let sources = sources(&view, kube.as_ref(), &args).await?;
    let several = sources.len() > 1;
    let query = |source: &Source| LogQuery {
        container: Some(source.container.clone()),
        previous: args.previous,
        tail: Some(args.tail),
    };
    let prefix =
        |source: &Source| if several { format!("{}/{}: ", source.pod, source.container) } else { String::new() };
    if args.follow {
        return follow(kube.as_ref(), &sources, query, prefix).await;
    }
    for source in &sources {
        let text = kube.logs(&source.namespace, &source.pod, &query(source)).await.map_err(|error| {
            error.into_failure(format!("cannot read the log of pod {}/{}", source.namespace, source.pod))
        })?;
        for line in text.lines() {
            screen::print(&format!("{}{line}", prefix(source)));
        }
    }
    Ok(0)
}

async fn follow(
    kube: &dyn Kube,
    sources: &[Source],
    query: impl Fn(&Source) -> LogQuery,
    prefix: impl Fn(&Source) -> String,
) -> Result<u8, Failure> {
    let cancel = interrupt::listen();
    let mut lines = futures::stream::SelectAll::new();
    for source in sources {
        let log = kube.follow_logs(&source.namespace, &source.pod, &query(source)).await.map_err(|error| {
            error.into_failure(format!("cannot follow the log of pod {}/{}", source.namespace, source.pod))
        })?;
        let prefix = prefix(source);
        lines.push(log.map(move |line| line.map(|line| format!("{prefix}{line}"))));
    }
    loop {
        tokio::select! {
            line = lines.next() => match line {
                Some(Ok(line)) => screen::print(&line),
                Some(Err(error)) => return Err(error.into_failure("the log ended")),
                None => return Ok(0),
            },
            () = cancel.cancelled() => return Ok(0),
        }
    }
}

/// Finds the pods of the workload or pod that was named, in the namespaces of the stacks.
async fn sources(view: &View<'_>, kube: &dyn Kube, args: &Args) -> Result<Vec<Source>, Failure> {
    let (kind, name) =
        args.target.split_once('/').map_or((None, args.target.as_str()), |(kind, name)| (Some(kind), name));
    let namespaces: Vec<String> = match &args.namespace {
        Some(namespace) => vec![namespace.clone()],
        None => view.stacks.iter().map(|stack| stack.namespace.clone()).collect(),
    };
    let kinds = [("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job")];
    let wanted = kinds.into_iter().filter(|(_, known)| kind.is_none_or(|kind| kind.eq_ignore_ascii_case(known)));
    for namespace in &namespaces {
        for (api_version, kind) in wanted.clone() {
            if let Some(workload) = get(kube, api_version, kind, namespace, name).await? {
                let pods = kube.list("v1", "Pod", Some(namespace), "").await;
                let pods = pods.map_err(|error| error.into_failure(format!("cannot list the pods of {name}")))?;
                let selector = &workload["spec"]["selector"];
                return Ok(pods.iter().filter(|pod| selector::matches(selector, pod)).flat_map(containers).collect());
            }
        }
        if kind.is_none_or(|kind| kind.eq_ignore_ascii_case("pod"))
            && let Some(pod) = get(kube, "v1", "Pod", namespace, name).await?
        {
            return Ok(containers(&pod));
        }
    }
    let places = namespaces.join(", ");
    Err(Failure::new(&NO_SUCH_TARGET, format!("there is no node, workload or pod `{}`", args.target))
        .because(format!("looked for it in namespace {places}"))
        .hint("./orchestrator status"))
}

async fn get(
    kube: &dyn Kube,
    api_version: &str,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<Value>, Failure> {
    let object = ObjectRef {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
    };
    match kube.get(&object).await {
        Ok(value) => Ok(Some(value)),
        Err(KubeError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into_failure(format!("cannot read {object}"))),
    }
}

fn containers(pod: &Value) -> Vec<Source> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let source = |container: &Value| Source {
        namespace: text(&pod["metadata"]["namespace"]),
        pod: text(&pod["metadata"]["name"]),
        container: text(&container["name"]),
    };
    containers.map(source).collect()
}
