use std::time::Duration;

use serde_json::Value;

use crate::{
    effects::kube::Kube,
    engine::{Patience, Run, Seen, Step},
    failure::{ADDON_NOT_READY, Failure},
    model::Done,
    plan::{
        cluster::Cluster,
        rollout::{State, rollout},
    },
};

pub const STEP: Step = Step { id: "await-addons", title: "Wait for K3s's add-ons" };
const WITHIN: Duration = Duration::from_secs(300);
const EVERY: Duration = Duration::from_millis(50);
const NAMESPACE: &str = "kube-system";
/// The Deployments that K3s brings, with the component that `disable` names (docs.k3s.io/installation/packaged-components).
const ADDONS: [(&str, &str); 3] =
    [("coredns", "coredns"), ("local-path-provisioner", "local-storage"), ("metrics-server", "metrics-server")];

/// Returns when the add-ons that K3s brings, and that are not disabled, are rolled out.
///
/// # Errors
/// The add-ons that are not, with how far they are.
pub async fn await_addons(run: &Run, kube: &dyn Kube, cluster: &Cluster) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let patience = Patience {
            what: "K3s's add-ons to be ready".into(),
            within: WITHIN,
            every: EVERY,
            failure: &ADDON_NOT_READY,
        };
        let mut waited = false;
        let ready = scope.until(&patience, async || {
            let deployments = match kube.list("apps/v1", "Deployment", Some(NAMESPACE), "").await {
                Ok(deployments) => deployments,
                Err(error) if error.may_pass() => return Ok(Seen::NotYet(error.to_string())),
                Err(error) => return Err(error.into_failure("cannot list K3s's add-ons")),
            };
            let missing: Vec<_> = wanted(cluster).filter_map(|name| progress(name, &deployments)).collect();
            if missing.is_empty() {
                return Ok(Seen::Ready(()));
            }
            waited = true;
            Ok(Seen::NotYet(missing.join(", ")))
        });
        ready.await?;
        Ok(Done::when(waited, ()))
    })
    .await
}

fn wanted(cluster: &Cluster) -> impl Iterator<Item = &'static str> {
    let disabled: Vec<_> =
        cluster.k3s.config.get("disable").and_then(Value::as_array).into_iter().flatten().cloned().collect();
    ADDONS.iter().filter(move |(_, component)| !disabled.iter().any(|name| name == component)).map(|(name, _)| *name)
}

/// Returns how far an add-on is, unless it is ready.
fn progress(name: &str, deployments: &[Value]) -> Option<String> {
    match deployments.iter().find(|deployment| deployment["metadata"]["name"] == name) {
        None => Some(format!("{name} is not there yet")),
        Some(deployment) => match rollout(deployment).state {
            State::Complete => None,
            State::Progressing(words) | State::Failed(words) => Some(format!("{name}: {words}")),
        },
    }
}
