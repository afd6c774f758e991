use clap::Parser;

use super::{
    global::Global,
    session::{Session, built_images},
};
use crate::{
    engine::Run,
    failure::{Failure, IMAGE_NOT_PUSHED},
    flows,
    plan::images::specs,
};

/// Build images, if what their folders hold has changed
#[derive(Debug, Parser)]
pub struct Args {
    /// The images to build, by the names of `[images.build]`; all by default
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    /// Push them to the registry too
    #[arg(long)]
    push: bool,
}

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, None)?;
    let mut specs = flows::build::chosen(specs(&session.cluster.images), &args.images)?;
    if args.push && session.cluster.images.registry.is_none() {
        return Err(Failure::new(&IMAGE_NOT_PUSHED, "there is no registry to push to")
            .hint("`registry = \"docker.io/you\"` in `[images]` of orchestrator.toml"));
    }
    for spec in &mut specs {
        spec.pushed = args.push;
    }
    // A rehearsal builds nothing; whoever asks for a build means it.
    let source = built_images(&session.directory, &session.computer);
    let build = async |run: &Run| flows::build::build(run, &source, &specs).await;
    Ok(session.run_on(global, "build", Vec::new(), build).await)
}
