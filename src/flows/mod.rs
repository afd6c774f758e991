//! One file per command: its steps in their order. The table of contents of the program.

pub mod create;
pub mod deploy;
pub mod destroy;
mod node;
pub mod plan;
pub mod start;
pub mod status;
pub mod stop;
pub mod undeploy;

use std::rc::Rc;

use crate::{
    effects::{
        kube::{Connect, Kube},
        state_directory::{State, StateDirectory},
    },
    engine::Run,
    failure::{Failure, NO_CLUSTER},
    plan::{cluster::Cluster, stack::ParsedStack},
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
}

/// What a command that changes things works with.
pub struct Context<'a> {
    pub run: &'a Run,
    pub view: View<'a>,
    pub state: &'a State,
    /// How the user calls the program.
    pub program: &'a str,
    /// How the user's kubectl reaches the cluster.
    pub kubectl: &'a str,
}

impl View<'_> {
    /// Connects to the cluster through the kubeconfig in its state directory.
    ///
    /// # Errors
    /// When there is none.
    pub async fn kube(&self) -> Result<Rc<dyn Kube>, Failure> {
        let text = self.directory.read_kubeconfig().ok_or_else(|| {
            Failure::new(&NO_CLUSTER, format!("there is no cluster `{}` yet", self.cluster.name))
                .hint("./orchestrator create")
        })?;
        self.connect.connect(&text).await
    }
}
