use super::{
    install_k3s::{Parts, Staged},
    unit,
};
use crate::{
    engine::{Run, Step},
    failure::Failure,
    model::Done,
};

pub const STEP: Step = Step { id: "start-first-server", title: "Start the first server" };

/// Returns when the server that others join through is up.
///
/// # Errors
/// Why its K3s did not start.
pub async fn start_first_server(run: &Run, parts: &Parts<'_>, staged: &[Staged]) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let lead = parts.lead();
        let runs = |staged: &Staged| staged.reached.machine.name == lead.name && staged.reached.runs();
        if staged.iter().any(runs) {
            return Ok(Done::Unchanged(()));
        }
        scope.on(&lead.name, async |scope| unit::up(parts, lead, scope).await.map(Done::Changed)).await
    })
    .await
}
