use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{View, seen_from_outside};
use crate::{
    effects::{
        computer,
        images::Credentials,
        kube::{Kube, KubeError, nodes},
    },
    failure::Failure,
    model::{Machine, MachineState, NodeStatus, registry::DockerConfig, status::Status},
    plan::{
        manifests::prepare::STACK_LABEL,
        pull_secret::kept,
        stack::ParsedStack,
        status::{Observed, status},
    },
};

/// How many requests are under way at the same time.
const PARALLEL: usize = 16;

/// Returns how the cluster is, compared with what is configured. Changes nothing.
///
/// # Errors
/// When the provider cannot say which machines there are.
pub async fn status_of(view: &View<'_>) -> Result<Status, Failure> {
    let (stacks, observed) = observe_all(view).await?;
    let status = status(view.cluster, &stacks, &observed, view.provider.caution());
    Ok(Status { cost: view.provider.cost(&view.cluster.machines), ..status })
}

/// Returns the stacks as they would be sent, and what there is.
///
/// # Errors
/// When the provider cannot say which machines there are.
pub async fn observe_all(view: &View<'_>) -> Result<(Vec<ParsedStack>, Observed), Failure> {
    let mut machines = view.provider.list().await?;
    machines.sort_by(Machine::in_order);
    let machines = seen_from_outside(view.provider, &machines);
    let images = view.references().await;
    let mut observed = Observed {
        id: view.directory.load()?.map(|state| state.id),
        machines,
        to_restart: view.provider.to_restart(&view.cluster.machines)?,
        ..Observed::default()
    };
    if observed.machines.iter().any(|machine: &Machine| machine.state == MachineState::Running) {
        match observe(view).await {
            Ok((nodes, objects)) => (observed.nodes, observed.objects) = (nodes, objects),
            Err(words) => observed.unreachable = Some(words),
        }
    }
    let login = pull_login(view, &observed.objects);
    let prepared = |stack: &ParsedStack| stack.clone().prepared(&images, login.as_ref());
    Ok((view.stacks.iter().map(prepared).collect(), observed))
}

/// Returns the login that a deploy would give the nodes, as far as it is known.
fn pull_login(view: &View<'_>, objects: &[Value]) -> Option<DockerConfig> {
    let registry = view.cluster.images.pull_registry()?;
    let found = Credentials::to_pull(&registry.host, registry.login.as_ref(), computer::variable).ok().flatten();
    found.map(|found| found.docker_config(&registry.host)).or_else(|| kept(objects, &registry.host))
}

async fn observe(view: &View<'_>) -> Result<(Vec<NodeStatus>, Vec<Value>), String> {
    let kube = view.kube().await.map_err(|failure| failure.to_string())?;
    let registry = view.cluster.images.registry.is_some();
    let seen = futures::future::try_join(nodes(kube.as_ref()), objects_of(kube.as_ref(), view.stacks, registry)).await;
    seen.map_err(|error: KubeError| error.to_string())
}

/// Returns every object on the cluster that was applied for a stack, of the kinds that these stacks have; Secrets too if
/// there is a registry, which may need them.
///
/// # Errors
/// What the cluster refused or that it did not answer.
pub async fn objects_of(kube: &dyn Kube, stacks: &[ParsedStack], registry: bool) -> Result<Vec<Value>, KubeError> {
    let secrets = registry || stacks.iter().any(|stack| !stack.secrets.is_empty());
    let secrets = secrets.then(|| ("v1".to_owned(), "Secret".to_owned()));
    let kinds: BTreeSet<_> = stacks
        .iter()
        .flat_map(|stack| &stack.manifests)
        .map(|manifest| (manifest.api_version().to_owned(), manifest.kind().to_owned()))
        .chain(secrets)
        .collect();
    let lists = stream::iter(kinds).map(async |(api_version, kind)| owned(kube, &api_version, &kind).await);
    let lists: Vec<_> = lists.buffered(PARALLEL).try_collect().await?;
    Ok(lists.concat())
}

async fn owned(kube: &dyn Kube, api_version: &str, kind: &str) -> Result<Vec<Value>, KubeError> {
    match kube.list(api_version, kind, None, STACK_LABEL).await {
        Err(KubeError::NoSuchKind(_) | KubeError::NotFound(_)) => Ok(Vec::new()),
        listed => listed,
    }
}
