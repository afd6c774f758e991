use clap::Parser;

use super::{global::Global, screen};
use crate::{
    effects::{
        computer::Computer,
        ec2::{Account, Client, Patience},
    },
    failure::Failure,
    providers::ec2::garbage::{self, Garbage},
};

/// List what expired and orphaned clusters left at Amazon, in every region; with `--yes` remove it
#[derive(Debug, Parser)]
pub struct Args {
    /// Remove it
    #[arg(short, long, env = "ORCHESTRATOR_YES")]
    yes: bool,

    /// Look in this region alone; may be given several times
    #[arg(long = "region", value_name = "REGION", env = "ORCHESTRATOR_REGION", value_delimiter = ',')]
    regions: Vec<String>,

    /// Profile in `~/.aws/config`
    #[arg(long, env = "AWS_PROFILE", value_name = "NAME")]
    profile: Option<String>,
}

/// Where the regions are asked for, when nothing says a region.
const HOME: &str = "us-east-1";

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let account = Account::new(None, args.profile.clone());
    let region =
        account.region().await.unwrap_or_else(|_| args.regions.first().cloned().unwrap_or_else(|| HOME.into()));
    let ec2 = Client::new(account.elsewhere(&region), Patience::default());
    let found = garbage::find(&ec2, &args.regions).await?;
    show(global, &found, args.yes);
    if !args.yes {
        return Ok(0);
    }
    let data = Computer::new().data();
    let mut failures = Vec::new();
    for one in &found {
        match garbage::remove(&ec2, one, data.clone()).await {
            Ok(()) if global.json() => {}
            Ok(()) => screen::print(&format!("removed {} ({})", one.cluster, one.id)),
            Err(failure) => failures.push(failure),
        }
    }
    Failure::join(failures).map_or(Ok(0), Err)
}

fn show(global: &Global, found: &[Garbage], removed: bool) {
    if global.json() {
        let found = serde_json::to_string(found).expect("what was found is JSON");
        return screen::print(&format!("{{\"clusters\":{found}}}"));
    }
    for one in found {
        screen::print(&format!("{} ({}, {}) of {}: {}", one.cluster, one.id, one.region, one.owner, one.because));
        for part in &one.parts {
            screen::print(&format!("  {part}"));
        }
    }
    match (found.is_empty(), removed) {
        (true, _) => screen::print("nothing is left behind"),
        (false, false) => screen::print(&format!("to remove it: {} gc --yes", global.program())),
        (false, true) => {}
    }
}
