use clap::Parser;

use super::{global::Global, interrupt, screen, session::Session};
use crate::failure::Failure;

/// Keep a way to the Kubernetes API open for kubectl, until Ctrl-C
#[derive(Debug, Parser)]
pub struct Args {}

pub async fn run(global: &Global, _: Args) -> Result<u8, Failure> {
    let cancel = interrupt::listen();
    let session = Session::open(global, None)?;
    let kubeconfig =
        session.directory.read_kubeconfig().ok_or_else(|| crate::flows::no_cluster(&session.cluster.name))?;
    let reached = session.provider.way_to_api(kubeconfig.clone()).await?;
    if reached != kubeconfig {
        session.directory.write("kubeconfig", &reached)?;
    }
    let server = reached.lines().find_map(|line| line.trim().strip_prefix("server:")).unwrap_or_default();
    screen::print(&format!("the Kubernetes API is at {}", server.trim().trim_matches('"')));
    cancel.cancelled().await;
    Ok(0)
}
