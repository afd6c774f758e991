//! Whether what a stack declares is there: its pods, its services, its autoscalers.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::Miss;
use crate::{
    effects::kube::{Kube, ObjectRef, list_all},
    engine::Scope,
    failure::Failure,
    plan::{
        manifests::{Manifest, prepare::STACK_LABEL},
        rollout::{State, WORKLOADS, condition, rollout},
        stack::ParsedStack,
    },
};

/// How long pods may take to be ready again that were so when they were deployed.
const PODS: Duration = Duration::from_secs(30);
/// How long a new pod may take to be measured.
const METRICS: Duration = Duration::from_secs(90);
const EVERY: Duration = Duration::from_millis(500);

/// Something every stack is asked for, if it has any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Pods,
    Services,
    Autoscalers,
}

/// Why something is not as it must be.
struct Missed {
    miss: Miss,
    /// It does not come by itself.
    for_good: bool,
}

impl Missed {
    fn yet(miss: Miss) -> Self {
        Self { miss, for_good: false }
    }
}

impl Presence {
    pub const ALL: [Self; 3] = [Self::Pods, Self::Services, Self::Autoscalers];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Services => "services",
            Self::Autoscalers => "autoscalers",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Pods => "every workload has its pods, and they are ready",
            Self::Services => "every service is there and has a pod behind it",
            Self::Autoscalers => "every autoscaler is there and can measure",
        }
    }

    fn is_about(self, manifest: &Manifest) -> bool {
        match self {
            Self::Pods => WORKLOADS.contains(&(manifest.api_version(), manifest.kind())),
            Self::Services => manifest.kind() == "Service",
            Self::Autoscalers => manifest.kind() == "HorizontalPodAutoscaler",
        }
    }

    /// Returns what of a stack it is about.
    pub fn of(self, stack: &ParsedStack) -> Vec<&Manifest> {
        stack.manifests.iter().filter(|manifest| self.is_about(manifest)).collect()
    }

    /// Looks until all of it is there.
    ///
    /// # Errors
    /// When the user wants to stop.
    pub async fn look(
        self,
        kube: &dyn Kube,
        stack: &ParsedStack,
        scope: &Scope<'_>,
    ) -> Result<Result<(), Miss>, Failure> {
        let began = Instant::now();
        let wanted = self.of(stack);
        loop {
            let missed = match self.look_once(kube, &stack.name, &wanted).await {
                Ok(()) => return Ok(Ok(())),
                Err(missed) => missed,
            };
            let patience = if self == Self::Autoscalers { METRICS } else { PODS };
            if missed.for_good || began.elapsed() > patience {
                return Ok(Err(missed.miss));
            }
            scope.waiting(&missed.miss.because);
            tokio::time::sleep(EVERY).await;
            scope.go_on()?;
        }
    }

    async fn look_once(self, kube: &dyn Kube, stack: &str, wanted: &[&Manifest]) -> Result<(), Missed> {
        let kind = |manifest: &&Manifest| (manifest.api_version().to_owned(), manifest.kind().to_owned());
        let kinds: BTreeSet<_> = wanted.iter().map(kind).collect();
        let live = list_all(kube, kinds, &format!("{STACK_LABEL} in ({stack})")).await;
        let live = live.map_err(|failure| Missed::yet(Miss::new(failure.to_string())))?;
        let slices = match self {
            Self::Services => kube.list("discovery.k8s.io/v1", "EndpointSlice", None, "").await,
            Self::Pods | Self::Autoscalers => Ok(Vec::new()),
        };
        let slices = slices.map_err(|error| Missed::yet(error.into()))?;
        let mut faults = Vec::new();
        let mut for_good = false;
        for manifest in wanted {
            let object = live.get(&ObjectRef::of(&manifest.object));
            for_good |= object.is_none();
            let fault = object.map_or_else(|| Some("it is not there".to_owned()), |object| self.fault(object, &slices));
            faults.extend(fault.map(|fault| format!("{} {}: {fault}", manifest.kind(), manifest.name())));
        }
        if faults.is_empty() { Ok(()) } else { Err(Missed { miss: Miss::new(faults.join("; ")), for_good }) }
    }

    /// Returns what is wrong with one object.
    fn fault(self, object: &Value, slices: &[Value]) -> Option<String> {
        match self {
            Self::Pods => match rollout(object).state {
                State::Complete => None,
                State::Progressing(words) | State::Failed(words) => Some(words),
            },
            Self::Services => {
                let pods = object["spec"]["selector"].is_object() && object["spec"]["type"] != "ExternalName";
                (pods && !slices.iter().any(|slice| serves(slice, object)))
                    .then(|| "no pod behind it is ready".to_owned())
            }
            Self::Autoscalers => {
                let active = condition(object, "ScalingActive");
                match active {
                    None => Some("its controller has not looked at it yet".into()),
                    Some(active) if active["status"] == "False" && active["reason"] != "ScalingDisabled" => {
                        Some(active["message"].as_str().unwrap_or_default().to_owned())
                    }
                    Some(_) => None,
                }
            }
        }
    }
}

/// Whether an EndpointSlice has a ready endpoint of a service.
fn serves(slice: &Value, service: &Value) -> bool {
    let metadata = &slice["metadata"];
    let of_it = metadata["namespace"] == service["metadata"]["namespace"]
        && metadata["labels"]["kubernetes.io/service-name"] == service["metadata"]["name"];
    let mut endpoints = slice["endpoints"].as_array().into_iter().flatten();
    of_it && endpoints.any(|endpoint| endpoint["conditions"]["ready"] != false)
}
