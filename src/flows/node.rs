//! From machines under power to nodes that are ready: the same for `create` and `start`.

use std::rc::Rc;

use futures::future::try_join;

use super::Context;
use crate::{
    effects::{kube::Kube, state_directory::State},
    failure::Failure,
    model::{Machine, Reached, Role},
    plan::preflight::lost_id,
    steps::{
        k3s::{
            await_api::await_api,
            await_nodes::await_nodes,
            begin_cluster::begin_cluster,
            check_machines::check_machines,
            check_release::{check_release, has_other_release},
            fetch_k3s::fetch_k3s,
            forget_rebuilt_nodes::{forget_rebuilt_nodes, is_empty},
            install_k3s::{Parts, install_k3s},
            join_agents::join_agents,
            join_servers::join_servers,
            roll_nodes::roll_nodes,
            start_first_server::start_first_server,
            write_kubeconfig::write_kubeconfig,
        },
        reach_machines::reach_machines,
    },
};

/// The nodes of a cluster.
pub struct Nodes {
    pub kube: Rc<dyn Kube>,
    /// With the addresses that they have now.
    pub machines: Vec<Machine>,
}

/// Makes a ready node of every machine and returns the cluster's API. Of agents that must restart, `max_unavailable` do at
/// the same time.
pub async fn nodes_from(context: &Context<'_>, machines: &[Machine], max_unavailable: usize) -> Result<Nodes, Failure> {
    let (run, view) = (context.run, &context.view);
    let (cluster, provider) = (view.cluster, view.provider);
    let reached = reach_machines(run, provider, machines).await?;
    let id = cluster_id(context, &reached)?;
    check_machines(run, cluster, &id, &reached).await?; // nothing is written before all can do it
    let release = fetch_k3s(run, view.release, cluster, &reached).await?;
    let joined = begin_cluster(run, provider, cluster, &id, &reached, &context.state.token).await?;
    let parts = Parts { provider, cluster, id: &id, joined: &joined, release: &release, machines: &reached };
    let rebuilt = reached.iter().any(is_empty);
    let other_release = reached.iter().any(|reached| has_other_release(reached, &release));
    if (rebuilt || other_release) && lives(&reached, &joined.lead) {
        let kube = connect(context, api_server(context, &reached, parts.lead())).await?;
        if other_release {
            check_release(run, kube.as_ref(), cluster).await?;
        }
        if rebuilt {
            forget_rebuilt_nodes(run, kube.as_ref(), &reached, &joined).await?;
        }
    }
    let staged = install_k3s(run, &parts).await?;
    start_first_server(run, &parts, &staged).await?;
    let kube = connect(context, api_server(context, &reached, parts.lead())).await?;
    await_api(run, kube.as_ref()).await?;
    let servers = join_servers(run, &parts, &staged);
    let ((), staged) = try_join(servers, join_agents(run, &parts, kube.as_ref(), staged.clone())).await?;
    let machines: Vec<_> = reached.iter().map(|reached| reached.machine.clone()).collect();
    await_nodes(run, provider, kube.as_ref(), &staged, parts.lead()).await?;
    roll_nodes(run, &parts, kube.as_ref(), &staged, max_unavailable).await?;
    Ok(Nodes { kube, machines })
}

/// Returns the id of the cluster: of one whose state directory was lost, that which its machines carry or remember.
fn cluster_id(context: &Context<'_>, reached: &[Reached]) -> Result<String, Failure> {
    let lost = || context.state.new.then(|| lost_id(context.view.cluster, reached)).flatten();
    let id = context.view.provider.tagged_id()?.or_else(lost).unwrap_or_else(|| context.state.id.clone());
    if id != context.state.id {
        context.view.directory.save(&State { id: id.clone(), ..context.state.clone() })?;
    }
    Ok(id)
}

/// Whether the server that others join through is up.
fn lives(reached: &[Reached], lead: &str) -> bool {
    reached.iter().any(|reached| reached.machine.name == lead && reached.runs())
}

/// Returns the server that the kubeconfig names, as long as it runs, so that the kubeconfig stays as it is; else the one
/// that others join through.
fn api_server<'m>(context: &Context<'_>, reached: &'m [Reached], lead: &'m Machine) -> &'m Machine {
    let kubeconfig = context.view.directory.read_kubeconfig().unwrap_or_default();
    let named = |machine: &Machine| kubeconfig.contains(&format!("//{}:", machine.address));
    let serves = |reached: &&Reached| reached.machine.role == Role::Server && reached.runs();
    let found = reached.iter().filter(serves).find(|reached| named(&reached.machine));
    found.map_or(lead, |reached| &reached.machine)
}

async fn connect(context: &Context<'_>, server: &Machine) -> Result<Rc<dyn Kube>, Failure> {
    let view = &context.view;
    let text = write_kubeconfig(context.run, view.provider, server, view.directory, &view.cluster.name).await?;
    view.connect.connect(&text).await
}
