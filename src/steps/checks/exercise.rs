//! One check while it runs: what it knows, and what it must put back.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Miss, ask,
    replicas::{are_replaced, delete_pods, is_settled, replicas, scale},
};
use crate::{
    effects::kube::Kube,
    engine::Scope,
    failure::Failure,
    plan::checks::{Action, Check, CheckStep, Placeholders, Workload},
};

/// How often a step looks again.
const EVERY: Duration = Duration::from_millis(250);
/// How long pods may take to be as they were before.
const BACK: Duration = Duration::from_secs(180);

/// Why a check ended early.
#[derive(Debug)]
pub(super) enum Stopped {
    Missed(Miss),
    /// The user wants to stop.
    Interrupted(Failure),
}

impl From<Miss> for Stopped {
    fn from(miss: Miss) -> Self {
        Self::Missed(miss)
    }
}

/// A check while it runs.
pub(super) struct Exercise<'a> {
    kube: &'a dyn Kube,
    scope: &'a Scope<'a>,
    known: Placeholders,
    /// Workloads with other replicas than before, and how many they had.
    scaled: Vec<(Workload, u64)>,
}

impl<'a> Exercise<'a> {
    pub fn new(kube: &'a dyn Kube, scope: &'a Scope<'a>) -> Self {
        Self { kube, scope, known: Placeholders::new(random()), scaled: Vec::new() }
    }

    /// Runs the steps of a check; then, however that went, what comes at its end, and puts back what it changed.
    pub async fn run(mut self, check: &Check) -> Result<(), Stopped> {
        let came = self.steps("", &check.steps).await;
        let put_back = self.put_back().await;
        let finally = self.steps("finally, ", &check.finally).await;
        let put_back_again = self.put_back().await;
        came.and(put_back).and(finally).and(put_back_again)
    }

    async fn steps(&mut self, list: &str, steps: &[CheckStep]) -> Result<(), Stopped> {
        for (index, step) in steps.iter().enumerate() {
            let what = self.known.text(&step.action.to_string());
            self.scope.doing(&what);
            self.step(step).await.map_err(|stopped| match stopped {
                Stopped::Missed(miss) => {
                    let because = format!("{list}step {}, {what}: {}", index + 1, miss.because);
                    Stopped::Missed(Miss { because, ..miss })
                }
                interrupted @ Stopped::Interrupted(_) => interrupted,
            })?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &CheckStep) -> Result<(), Stopped> {
        let (kube, scope) = (self.kube, self.scope);
        match &step.action {
            Action::Http(http) => repeated(scope, step, async || ask::http(kube, http, &mut self.known).await).await,
            Action::Exec(exec) => repeated(scope, step, async || ask::exec(kube, exec, &self.known).await).await,
            Action::Scale { workload, to } => {
                if self.scaled.iter().all(|(scaled, _)| scaled != workload) {
                    let before = replicas(kube, workload).await?;
                    self.scaled.push((workload.clone(), before));
                }
                scale(kube, workload, (*to).into()).await?;
                repeated(scope, step, async || is_settled(kube, workload).await).await
            }
            Action::DeletePods { workload } => {
                let old = delete_pods(kube, workload).await?;
                repeated(scope, step, async || are_replaced(kube, workload, &old).await).await
            }
        }
    }

    /// Gives every workload the replicas it had.
    async fn put_back(&mut self) -> Result<(), Stopped> {
        for (workload, before) in std::mem::take(&mut self.scaled) {
            let failed = |miss: Miss| {
                let because = format!("{} has not its {before} replicas again: {}", workload.name, miss.because);
                Miss { because, ..miss }
            };
            if replicas(self.kube, &workload).await.map_err(failed)? != before {
                scale(self.kube, &workload, before).await.map_err(failed)?;
            }
            let end = Instant::now() + BACK;
            while let Err(miss) = is_settled(self.kube, &workload).await {
                if Instant::now() > end {
                    return Err(failed(miss).into());
                }
                self.scope.waiting(miss.because);
                pause(self.scope).await?;
            }
        }
        Ok(())
    }
}

/// Attempts a step until it comes out well, as long as it may take, and then as long as it must hold.
async fn repeated(
    scope: &Scope<'_>,
    step: &CheckStep,
    mut attempt: impl AsyncFnMut() -> Result<(), Miss>,
) -> Result<(), Stopped> {
    let began = Instant::now();
    while let Err(miss) = attempt().await {
        if began.elapsed() >= step.within {
            return Err(after(miss, step.within).into());
        }
        scope.waiting(&miss.because);
        pause(scope).await?;
    }
    let fine = Instant::now();
    while fine.elapsed() < step.holds_for {
        pause(scope).await?;
        attempt().await.map_err(|miss| {
            let because = format!("it was so, and after {} no more: {}", seconds(fine.elapsed()), miss.because);
            Miss { because, ..miss }
        })?;
    }
    Ok(())
}

fn after(miss: Miss, within: Duration) -> Miss {
    if within.is_zero() {
        return miss;
    }
    Miss { because: format!("{} (for {})", miss.because, seconds(within)), ..miss }
}

fn seconds(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

async fn pause(scope: &Scope<'_>) -> Result<(), Stopped> {
    tokio::time::sleep(EVERY).await;
    scope.go_on().map_err(Stopped::Interrupted)
}

/// Returns nine digits that no earlier check had.
fn random() -> String {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the kernel has random numbers");
    format!("{}", 100_000_000 + u32::from_le_bytes(bytes) % 900_000_000)
}
