use clap::{Parser, ValueEnum};

use super::{global::Global, plan, session::Session};
use crate::{failure::Failure, flows, model::ProviderKind, plan::real, steps::destroy_machines::Silent};

/// Make the cluster and run the stacks on it; run it again to continue or to apply changes
#[derive(Debug, Parser)]
pub struct Args {
    /// Show what would change, and stop
    #[arg(long, env = "ORCHESTRATOR_PLAN")]
    plan: bool,

    /// Where machines come from, whatever the configuration says
    #[arg(long, env = "ORCHESTRATOR_PROVIDER", value_enum)]
    provider: Option<ProviderChoice>,

    /// What happens to the cluster when it cannot be made
    #[arg(long, env = "ORCHESTRATOR_ON_FAILURE", default_value = "keep", value_enum)]
    on_failure: OnFailure,

    /// How many agents may be away at the same time while nodes are restarted with a new release or settings
    #[arg(long, env = "ORCHESTRATOR_MAX_UNAVAILABLE", value_name = "COUNT", default_value_t = 1)]
    max_unavailable: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnFailure {
    /// It stays as it is, to be looked at and continued
    Keep,
    /// It is destroyed
    Destroy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProviderChoice {
    Rehearsal,
    Vagrant,
    Ec2,
    Ssh,
}

impl From<ProviderChoice> for ProviderKind {
    fn from(choice: ProviderChoice) -> Self {
        match choice {
            ProviderChoice::Rehearsal => Self::Rehearsal,
            ProviderChoice::Vagrant => Self::Vagrant,
            ProviderChoice::Ec2 => Self::Ec2,
            ProviderChoice::Ssh => Self::Ssh,
        }
    }
}

pub async fn run(global: &Global, args: Args) -> Result<u8, Failure> {
    let session = Session::open(global, args.provider.map(Into::into))?;
    let stacks = session.stacks()?;
    if args.plan {
        return plan::show(global, &session, &stacks).await;
    }
    let (_lock, state) = session.lock("create")?;
    let real = real::next_step(session.cluster.provider, session.abilities());
    session
        .run(global, "create", &stacks, &state, async |context| {
            let created =
                flows::unless_lost(context.view.provider, flows::create::create(context, args.max_unavailable)).await;
            match created {
                Ok(mut ending) => {
                    ending.notes.extend(real);
                    Ok(ending)
                }
                Err(failure) if args.on_failure == OnFailure::Destroy && failure.exit_code() != 130 => {
                    flows::destroy::destroy(context, Silent::Fails).await?;
                    context.view.directory.remove()?;
                    Err(failure)
                }
                Err(failure) => Err(failure),
            }
        })
        .await
}
