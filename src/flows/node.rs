//! From machines under power to nodes that are ready: the same for `create` and `start`.

use std::rc::Rc;

use super::Context;
use crate::{
    effects::kube::Kube,
    failure::{BUG, Failure},
    model::{Machine, Role},
    steps::{
        await_nodes::await_nodes,
        join_nodes::{install_servers, join_agents, of_role},
        reach_machines::reach_machines,
        stage_k3s::stage_k3s,
        write_kubeconfig::write_kubeconfig,
    },
};

/// Makes a ready node of every machine and returns the cluster's API.
pub async fn nodes_from(context: &Context<'_>, machines: &[Machine]) -> Result<Rc<dyn Kube>, Failure> {
    let (run, view) = (context.run, &context.view);
    let (cluster, provider) = (view.cluster, view.provider);
    let (servers, agents) = (of_role(machines, Role::Server), of_role(machines, Role::Agent));
    let first = *servers.first().ok_or_else(|| Failure::new(&BUG, "a cluster without servers passed the checks"))?;

    reach_machines(run, provider, machines).await?;
    stage_k3s(run, provider, cluster, machines).await?;
    let token = install_servers(run, provider, cluster, &servers, &context.state.token).await?;
    let join = join_agents(run, provider, cluster, first, &agents, &token);
    let connect = async {
        let text = write_kubeconfig(run, provider, first, view.directory, &cluster.name).await?;
        view.connect.connect(&text).await
    };
    let ((), kube) = futures::future::try_join(join, connect).await?;
    await_nodes(run, kube.as_ref(), machines).await?;
    Ok(kube)
}
