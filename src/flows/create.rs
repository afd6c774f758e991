use super::{
    Context,
    deploy::{build, deploy_stacks, notes},
    node::{Nodes, nodes_from},
};
use crate::{
    engine::Ending,
    failure::Failure,
    steps::{
        check_provider::check_provider,
        create_machines::create_machines,
        k3s::{await_addons::await_addons, remove_nodes::remove_nodes},
        list_machines::list_machines,
        prepare_provider::prepare_provider,
    },
};

/// From nothing, or from anything in between, to the cluster as configured with its stacks ready. Of agents that must
/// restart, `max_unavailable` do at the same time.
///
/// # Errors
/// What could not be done; everything made so far stays, and running again continues.
pub async fn create(context: &Context<'_>, max_unavailable: usize) -> Result<Ending, Failure> {
    let (run, view) = (context.run, &context.view);
    check_provider(run, view.provider).await?; // nothing is touched before this computer can do it
    let images = view.images_of(view.stacks);
    view.images.check(&images).await?;
    prepare_provider(run, view.provider).await?;
    let existing = list_machines(run, view.provider).await?;
    let nodes = async {
        let machines = create_machines(run, view.provider, &view.cluster.machines).await?;
        nodes_from(context, &machines, max_unavailable).await
    };
    let (Nodes { kube, machines }, images) = both(Box::pin(nodes), build(context, &images)).await?;
    let unwanted: Vec<_> =
        existing.into_iter().filter(|machine| machines.iter().all(|wanted| wanted.name != machine.name)).collect();
    if !unwanted.is_empty() {
        remove_nodes(run, view.provider, kube.as_ref(), &unwanted).await?;
    }
    let addons = await_addons(run, kube.as_ref(), view.cluster);
    let stacks = deploy_stacks(context, &kube, view.stacks, &machines, &images);
    let ((), urls) = futures::future::try_join(addons, stacks).await?;
    Ok(Ending {
        message: "cluster created".into(),
        notes: notes(view.provider, &urls),
        next: vec!["./orchestrator status".into(), format!("{} get pods -A", context.kubectl)],
        exit_code: 0,
    })
}

/// Does two things at the same time, and both to their ends: an image that cannot be built costs no machine.
async fn both<A, B>(
    one: impl Future<Output = Result<A, Failure>>,
    other: impl Future<Output = Result<B, Failure>>,
) -> Result<(A, B), Failure> {
    match futures::future::join(one, other).await {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => {
            let failures = one.err().into_iter().chain(other.err());
            Err(Failure::join(failures).expect("one of them failed"))
        }
    }
}
