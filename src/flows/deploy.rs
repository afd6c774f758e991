use std::{collections::BTreeSet, rc::Rc};

use super::{Context, running};
use crate::{
    effects::kube::Kube,
    engine::Ending,
    failure::{Failure, NO_SUCH_STACK},
    model::Machine,
    plan::{diagnosis::Advice, images::references, manifests::images, stack::ParsedStack, urls::urls},
    providers::Provider,
    steps::{deliver_images::deliver_images, deploy, list_machines::list_machines, prepare_provider::prepare_provider},
};

/// Has these stacks on a cluster that runs, and waits until they are ready.
///
/// # Errors
/// What the cluster refused, or what does not become ready, with its cause.
pub async fn deploy(context: &Context<'_>, names: &[String]) -> Result<Ending, Failure> {
    let stacks = chosen(context.view.stacks, names)?;
    let machines = list_machines(context.run, context.view.provider).await?;
    running(&machines, &context.view.cluster.name)?;
    prepare_provider(context.run, context.view.provider).await?;
    let kube = context.view.kube().await?;
    let urls = deploy_stacks(context, &kube, &stacks, &machines).await?;
    Ok(Ending { message: "stacks deployed".into(), notes: notes(context.view.provider, &urls), ..Ending::default() })
}

/// Returns what people should know once stacks run.
pub fn notes(provider: &dyn Provider, urls: &[String]) -> Vec<String> {
    provider.caution().into_iter().chain(urls.iter().map(|url| format!("reach it at {url}"))).collect()
}

/// Has these stacks on the cluster and returns where people reach them.
pub async fn deploy_stacks(
    context: &Context<'_>,
    kube: &Rc<dyn Kube>,
    stacks: &[ParsedStack],
    machines: &[Machine],
) -> Result<Vec<String>, Failure> {
    let built = references(&context.view.cluster.images);
    let stacks: Vec<_> = stacks.iter().map(|stack| stack.clone().prepared(&built)).collect();
    let used: BTreeSet<_> = stacks
        .iter()
        .flat_map(|stack| &stack.manifests)
        .flat_map(|manifest| images::references(&manifest.object))
        .collect();
    let to_deliver: Vec<_> = built.values().filter(|reference| used.contains(*reference)).cloned().collect();
    if !to_deliver.is_empty() {
        deliver_images(context.run, context.view.provider, machines, &to_deliver).await?;
    }
    let advice = Advice { kubectl: context.kubectl, references: &built };
    deploy::deploy(context.run, kube.as_ref(), &stacks, advice).await?;
    let objects = stacks.iter().flat_map(|stack| &stack.manifests).map(|manifest| &manifest.object);
    Ok(urls(objects, machines))
}

/// Returns the stacks of these names, or all when none is named.
///
/// # Errors
/// When the configuration has no stack of a name.
pub fn chosen(stacks: &[ParsedStack], names: &[String]) -> Result<Vec<ParsedStack>, Failure> {
    if let Some(unknown) = names.iter().find(|name| stacks.iter().all(|stack| stack.name != **name)) {
        let known: Vec<_> = stacks.iter().map(|stack| format!("`{}`", stack.name)).collect();
        return Err(Failure::new(&NO_SUCH_STACK, format!("there is no stack `{unknown}`"))
            .because(format!("the configuration has {}", known.join(", "))));
    }
    let wanted = |stack: &&ParsedStack| names.is_empty() || names.contains(&stack.name);
    Ok(stacks.iter().filter(wanted).cloned().collect())
}
