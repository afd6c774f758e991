use std::time::Duration;

use crate::{
    effects::kube::Kube,
    engine::{Patience, Run, Seen, Step},
    failure::{API_NOT_READY, Failure},
    model::Done,
};

pub const STEP: Step = Step { id: "await-api", title: "Wait for the Kubernetes API" };
const WITHIN: Duration = Duration::from_secs(180);
const EVERY: Duration = Duration::from_millis(50);

/// Returns when the API is ready by its own word, `/readyz`: by then its server can give certificates to nodes, too.
///
/// # Errors
/// The checks that fail still when the time is over.
pub async fn await_api(run: &Run, kube: &dyn Kube) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let patience = Patience {
            what: "the Kubernetes API to be ready".into(),
            within: WITHIN,
            every: EVERY,
            failure: &API_NOT_READY,
        };
        let ready = scope.until(&patience, async || match kube.ready().await {
            Ok(()) => Ok(Seen::Ready(())),
            Err(error) => Ok(Seen::NotYet(error.to_string())),
        });
        ready.await.map(Done::Unchanged)
    })
    .await
}
