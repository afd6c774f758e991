use std::cell::RefCell;

use super::{Context, deploy::chosen, running};
use crate::{
    engine::Ending,
    failure::{Failure, Kind},
    model::check::{CheckResult, Verdict},
    steps::{
        checks::run_checks::{self, run_checks},
        list_machines::list_machines,
        prepare_provider::prepare_provider,
    },
};

/// Runs the checks of these stacks on a cluster that runs; how each came out is put into `results` too.
///
/// The exit code is 0 when all passed, 1 when one failed, and that of a preflight when one could not be run.
///
/// # Errors
/// When the cluster cannot be asked.
pub async fn test(
    context: &Context<'_>,
    names: &[String],
    results: &RefCell<Vec<CheckResult>>,
) -> Result<Ending, Failure> {
    let stacks = chosen(context.view.stacks, names)?;
    let machines = list_machines(context.run, context.view.provider).await?;
    running(&machines, &context.view.cluster.name)?;
    prepare_provider(context.run, context.view.provider).await?;
    let kube = context.view.kube().await?;
    let run = context.run;
    let came = run.step(run_checks::STEP, async |scope| run_checks(kube.as_ref(), &stacks, scope).await).await?;
    let ending = ending(&came);
    results.replace(came);
    Ok(ending)
}

fn ending(results: &[CheckResult]) -> Ending {
    let count = |is: fn(&Verdict) -> bool| results.iter().filter(|result| is(&result.verdict)).count();
    let failed = count(|verdict| matches!(verdict, Verdict::Failed { .. }));
    let not_run = count(|verdict| matches!(verdict, Verdict::NotRun { .. }));
    let passed = format!("{} of {} checks passed", results.len() - failed - not_run, results.len());
    match (failed, not_run) {
        (0, 0) => Ending { message: passed, ..Ending::default() },
        (0, _) => Ending {
            notes: vec![format!("{passed}, {not_run} could not be run")],
            exit_code: Kind::Preflight.exit_code(),
            ..Ending::default()
        },
        (_, not_run) => Ending {
            notes: vec![match not_run {
                0 => format!("{passed}, {failed} failed"),
                _ => format!("{passed}, {failed} failed, {not_run} could not be run"),
            }],
            next: vec!["./orchestrator status".into()],
            exit_code: Kind::NotAsConfigured.exit_code(),
            ..Ending::default()
        },
    }
}
