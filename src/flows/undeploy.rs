use super::{Context, running};
use crate::{
    engine::Ending,
    failure::Failure,
    plan::stack::ParsedStack,
    steps::{
        deploy::{self, Data},
        list_machines::list_machines,
    },
};

/// Removes these stacks from a cluster that runs.
///
/// # Errors
/// When the cluster refuses, or something stays.
pub async fn undeploy(context: &Context<'_>, stacks: &[ParsedStack], data: Data) -> Result<Ending, Failure> {
    let machines = list_machines(context.run, context.view.provider).await?;
    running(&machines, &context.view.cluster.name)?;
    let kube = context.view.kube().await?;
    let names: Vec<_> = stacks.iter().map(|stack| stack.name.as_str()).collect();
    deploy::undeploy(context.run, kube.as_ref(), &names, data).await?;
    Ok(Ending { message: "stacks removed".into(), ..Ending::default() })
}
