//! One file per command: its steps in their order. The table of contents of the program.

pub mod build;
pub mod create;
pub mod deploy;
pub mod destroy;
mod node;
pub mod plan;
pub mod start;
pub mod status;
pub mod stop;
pub mod test;
pub mod undeploy;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    rc::Rc,
};

use futures::future::{Either, select};

use crate::{
    effects::{
        images::ImageSource,
        k3s_release::K3sRelease,
        kube::{Connect, Kube},
        state_directory::{State, StateDirectory},
    },
    engine::Run,
    failure::{Failure, NO_CLUSTER},
    model::{Machine, MachineState, image::ImageSpec},
    plan::{cluster::Cluster, images::specs, manifests::images, stack::ParsedStack},
    providers::Provider,
};

/// What is wanted and where to look: enough for commands that change nothing.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub cluster: &'a Cluster,
    pub provider: &'a dyn Provider,
    pub directory: &'a StateDirectory,
    pub stacks: &'a [ParsedStack],
    pub connect: &'a dyn Connect,
    pub release: &'a dyn K3sRelease,
    pub images: &'a dyn ImageSource,
}

/// What a command that changes things works with.
pub struct Context<'a> {
    pub run: &'a Run,
    pub view: View<'a>,
    pub state: &'a State,
    /// How the user's kubectl reaches the cluster.
    pub kubectl: &'a str,
}

impl View<'_> {
    /// Returns what manifests are given for each image that the configuration builds, by the name that they give it.
    pub async fn references(&self) -> BTreeMap<String, String> {
        self.images.references(&specs(&self.cluster.images)).await
    }

    /// Returns the images that these stacks use and that the configuration builds.
    pub fn images_of(&self, stacks: &[ParsedStack]) -> Vec<ImageSpec> {
        let manifests = stacks.iter().flat_map(|stack| &stack.manifests);
        let used: BTreeSet<_> = manifests.flat_map(|manifest| images::references(&manifest.object)).collect();
        specs(&self.cluster.images).into_iter().filter(|spec| used.contains(&spec.name)).collect()
    }

    /// Connects to the cluster through the kubeconfig in its state directory.
    ///
    /// # Errors
    /// When there is none.
    pub async fn kube(&self) -> Result<Rc<dyn Kube>, Failure> {
        let text = self.directory.read_kubeconfig().ok_or_else(|| no_cluster(&self.cluster.name))?;
        self.connect.connect(&self.provider.way_to_api(text).await?).await
    }
}

/// Does `work` as long as the provider can play its part.
///
/// # Errors
/// Those of `work`; that the provider was lost.
pub async fn unless_lost<T>(
    provider: &dyn Provider,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match select(pin!(work), provider.lost()).await {
        Either::Left((result, _)) => result,
        Either::Right((failure, _)) => Err(failure),
    }
}

/// Returns machines with the addresses that people reach them at.
pub fn seen_from_outside(provider: &dyn Provider, machines: &[Machine]) -> Vec<Machine> {
    let seen = |machine: &Machine| Machine { address: provider.outside_address(machine), ..machine.clone() };
    machines.iter().map(seen).collect()
}

/// Checks that the cluster has machines.
///
/// # Errors
/// When it has none.
pub fn some(machines: &[Machine], cluster: &str) -> Result<(), Failure> {
    if machines.is_empty() { Err(no_cluster(cluster)) } else { Ok(()) }
}

/// Checks that a machine of the cluster has power, so that its API may answer.
///
/// # Errors
/// When there is no cluster or all of it is stopped.
pub fn running(machines: &[Machine], cluster: &str) -> Result<(), Failure> {
    some(machines, cluster)?;
    if machines.iter().any(|machine| machine.state == MachineState::Running) {
        return Ok(());
    }
    Err(Failure::new(&NO_CLUSTER, format!("cluster `{cluster}` is stopped")).hint("./orchestrator start"))
}

/// The failure of a command that needs a cluster where there is none.
pub fn no_cluster(cluster: &str) -> Failure {
    Failure::new(&NO_CLUSTER, format!("there is no cluster `{cluster}`")).hint("./orchestrator create")
}
