use super::Context;
use crate::{
    engine::Ending,
    failure::Failure,
    plan::stack::ParsedStack,
    steps::deploy::{self, Data},
};

/// Removes these stacks from a cluster that runs, and waits until they are gone; with `volumes` their data too.
///
/// # Errors
/// When the cluster refuses, or when something stays.
pub async fn undeploy(context: &Context<'_>, stacks: &[ParsedStack], volumes: bool) -> Result<Ending, Failure> {
    let kube = context.view.kube().await?;
    let names: Vec<_> = stacks.iter().map(|stack| stack.name.as_str()).collect();
    let data = if volumes { Data::Delete } else { Data::Keep };
    deploy::undeploy(context.run, kube.as_ref(), &names, data).await?;
    Ok(Ending { message: "stacks removed".into(), ..Ending::default() })
}
