use std::rc::Rc;

use super::{Context, running, seen_from_outside};
use crate::{
    effects::kube::Kube,
    engine::Ending,
    failure::{Failure, NO_SUCH_STACK},
    model::{
        Machine,
        image::{Image, ImageSpec},
    },
    plan::{diagnosis::Advice, images::specs, stack::ParsedStack, urls::urls},
    providers::Provider,
    steps::{
        build_images::build_images, deliver_images::deliver_images, deploy, list_machines::list_machines,
        prepare_provider::prepare_provider,
    },
};

/// Has these stacks on a cluster that runs, and waits until they are ready.
///
/// # Errors
/// What the cluster refused, or what does not become ready, with its cause.
pub async fn deploy(context: &Context<'_>, names: &[String]) -> Result<Ending, Failure> {
    let stacks = chosen(context.view.stacks, names)?;
    let specs = context.view.images_of(&stacks);
    context.view.images.check(&specs).await?;
    let machines = list_machines(context.run, context.view.provider).await?;
    running(&machines, &context.view.cluster.name)?;
    prepare_provider(context.run, context.view.provider).await?;
    let kube = context.view.kube().await?;
    let images = build(context, &specs).await?;
    let urls = deploy_stacks(context, &kube, &stacks, &machines, &images).await?;
    Ok(Ending { message: "stacks deployed".into(), notes: notes(context.view.provider, &urls), ..Ending::default() })
}

/// Returns what people should know once stacks run.
pub fn notes(provider: &dyn Provider, urls: &[String]) -> Vec<String> {
    provider.caution().into_iter().chain(urls.iter().map(|url| format!("reach it at {url}"))).collect()
}

/// Has these images built, if there are any.
///
/// # Errors
/// Those that cannot be built or pushed.
pub async fn build(context: &Context<'_>, specs: &[ImageSpec]) -> Result<Vec<Image>, Failure> {
    if specs.is_empty() { Ok(Vec::new()) } else { build_images(context.run, context.view.images, specs).await }
}

/// Has these stacks on the cluster and returns where people reach them.
pub async fn deploy_stacks(
    context: &Context<'_>,
    kube: &Rc<dyn Kube>,
    stacks: &[ParsedStack],
    machines: &[Machine],
    images: &[Image],
) -> Result<Vec<String>, Failure> {
    let view = &context.view;
    let mut others = specs(&view.cluster.images);
    others.retain(|spec| images.iter().all(|image| image.name != spec.name));
    let mut references = view.images.references(&others).await;
    references.extend(images.iter().map(|image| (image.name.clone(), image.reference.clone())));
    let login = match view.cluster.images.pull_registry().filter(|_| !images.is_empty()) {
        Some(registry) => deploy::find_pull_login(context.run, kube.as_ref(), &registry, stacks).await?,
        None => None,
    };
    let prepared = |stack: &ParsedStack| stack.clone().prepared(&references, login.as_ref());
    let stacks: Vec<_> = stacks.iter().map(prepared).collect();
    let to_deliver: Vec<_> = images.iter().filter(|image| !image.pushed).cloned().collect();
    if !to_deliver.is_empty() {
        deliver_images(context.run, view.provider, view.images, machines, &to_deliver).await?;
    }
    let advice = Advice { kubectl: context.kubectl, references: &references };
    deploy::deploy(context.run, kube.as_ref(), &stacks, advice).await?;
    let objects = stacks.iter().flat_map(|stack| &stack.manifests).map(|manifest| &manifest.object);
    Ok(urls(objects, &seen_from_outside(view.provider, machines)))
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
