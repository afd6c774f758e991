//! The nodes of a cluster whose API may be away for a moment.

use std::time::Duration;

use crate::{
    effects::kube::{Kube, nodes},
    engine::{Patience, Scope, Seen},
    failure::{API_NOT_READY, Failure},
    model::NodeStatus,
};

const WITHIN: Duration = Duration::from_secs(180);
const EVERY: Duration = Duration::from_millis(200);

/// Returns the nodes as Kubernetes reports them, by name. Waits while the API does not answer: its server may be
/// restarting, or etcd choosing another leader.
///
/// # Errors
/// When the API refuses, or does not answer in time.
pub async fn list_nodes(scope: &Scope<'_>, kube: &dyn Kube) -> Result<Vec<NodeStatus>, Failure> {
    let patience = Patience {
        what: "the Kubernetes API to list the nodes".into(),
        within: WITHIN,
        every: EVERY,
        failure: &API_NOT_READY,
    };
    let listed = scope.until(&patience, async || match nodes(kube).await {
        Ok(known) => Ok(Seen::Ready(known)),
        Err(error) if error.may_pass() => Ok(Seen::NotYet(error.to_string())),
        Err(error) => Err(error.into_failure("cannot list the nodes")),
    });
    listed.await.map_err(|failure| if failure.hint.is_none() { failure.hint("./orchestrator status") } else { failure })
}

#[cfg(test)]
mod tests {
    use std::iter::repeat_n;

    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        effects::{fake_kube::FakeKube, kube::KubeError},
        engine::{EventKind, testing::*},
        model::Done,
    };

    fn away() -> KubeError {
        KubeError::Unreachable("connection refused".into())
    }

    /// Lists the nodes of a cluster with one, whose API answers first with `errors`. Returns their names, or the failure,
    /// and how often the wait was told.
    async fn listed(errors: impl IntoIterator<Item = KubeError>) -> (Result<Vec<String>, Failure>, usize) {
        let kube = FakeKube::default();
        kube.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "server-1"}}));
        kube.list_errors.borrow_mut().extend(errors);
        let events = Recorded::default();
        let (_canceller, run) = run(&events, None);
        let known = run.step(STEP, async |scope| list_nodes(scope, &kube).await.map(Done::Unchanged)).await;
        let names = known.map(|known| known.into_iter().map(|node| node.name).collect());
        (names, events.count(|event| matches!(event, EventKind::Waiting { .. })))
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_that_is_away_for_a_moment_is_waited_for_and_each_sight_told() {
        let no_leader = KubeError::Refused(503, "etcdserver: no leader".into());
        assert_eq!(listed([away(), away(), no_leader]).await, (Ok(vec!["server-1".into()]), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stays_away_ends_the_wait() {
        let began = Instant::now();
        let failure = listed(repeat_n(away(), 10_000)).await.0.unwrap_err();
        assert_eq!((failure.id.as_str(), began.elapsed().as_secs()), (API_NOT_READY.id, WITHIN.as_secs()));
        assert_eq!(
            failure.to_string(),
            "waited 3m for the Kubernetes API to list the nodes: last seen: the Kubernetes API does not answer: \
             connection refused"
        );
        assert_eq!(failure.hint.as_deref(), Some("orchestrator status"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_waited_out() {
        let (refused, told) = listed([KubeError::Refused(403, "nodes is forbidden".into())]).await;
        assert_eq!((refused.unwrap_err().to_string(), told), ("cannot list the nodes: nodes is forbidden".into(), 0));
    }
}
