use std::path::PathBuf;

use clap::Parser;

use super::global::Global;
use crate::{
    failure::{Failure, REHEARSAL_NOT_STARTED},
    rehearsal::{process, protocol::Folder},
};

/// Serve a rehearsal; started by `create`
#[derive(Debug, Parser)]
pub struct Args {
    folder: PathBuf,
}

pub async fn run(_: &Global, args: Args) -> Result<u8, Failure> {
    let folder = Folder(args.folder);
    process::serve(&folder, env!("CARGO_PKG_VERSION")).await.map_err(|error| {
        Failure::new(&REHEARSAL_NOT_STARTED, format!("cannot serve the rehearsal in {}", folder.path().display()))
            .because(error)
    })?;
    Ok(0)
}
