use std::{fs, path::PathBuf};

use clap::Parser;

use super::{global::Global, screen, session::Session};
use crate::{
    effects::{kubeconfig, state_directory::State},
    failure::{Failure, KUBECONFIG_UNUSABLE},
    flows::no_cluster,
};

/// Print the cluster's kubeconfig, or merge it into your own
#[derive(Debug, Parser)]
pub struct Args {
    /// Put the cluster into your kubeconfig and make it the current context; `destroy` takes it out again
    #[arg(long, env = "ORCHESTRATOR_MERGE")]
    merge: bool,
}

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let text = fs::read_to_string(session.directory.kubeconfig()).map_err(|_| no_cluster(&session.cluster.name))?;
    if !args.merge {
        screen::print(&text);
        return Ok(0);
    }
    let (_lock, state) = session.lock("kubeconfig")?;
    let path = users_own(&session)?;
    session.directory.save(&State { merged_into: Some(path.clone()), ..state })?;
    let changed = kubeconfig::merge(&path, &text)?;
    let verb = if changed { "merged into" } else { "already in" };
    screen::print(&format!("cluster {} {verb} {}", session.cluster.name, path.display()));
    Ok(0)
}

fn users_own(session: &Session) -> Result<PathBuf, Failure> {
    let variable = std::env::var("KUBECONFIG").ok();
    let home = session
        .computer
        .home()
        .ok_or_else(|| Failure::new(&KUBECONFIG_UNUSABLE, "cannot find your kubeconfig").because("HOME is not set"))?;
    Ok(kubeconfig::users_own(variable.as_deref(), home))
}
