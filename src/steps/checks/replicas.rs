//! The steps that act on pods: other numbers of replicas, and pods that are deleted.

use serde_json::{Value, json};

use super::Miss;
use crate::{
    effects::kube::{Kube, ObjectRef},
    plan::{
        checks::Workload,
        rollout::{State, condition, rollout},
    },
};

/// A pod of a workload.
pub struct Pod {
    pub name: String,
    pub uid: String,
    pub ready: bool,
}

fn object(workload: &Workload) -> ObjectRef {
    let Workload { api_version, kind, namespace, name } = workload.clone();
    ObjectRef { api_version, kind, namespace, name }
}

/// Returns the pods of a workload by name, also those that are ending.
pub async fn pods_of(kube: &dyn Kube, workload: &Workload) -> Result<Vec<Pod>, Miss> {
    let live = kube.get(&object(workload)).await?;
    let labels = live["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default();
    let has = |pod: &Value| labels.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value);
    let pods = kube.list("v1", "Pod", Some(&workload.namespace), "").await?;
    let mut pods: Vec<_> = pods.iter().filter(|pod| has(pod)).map(pod).collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pods)
}

fn pod(pod: &Value) -> Pod {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_ready = condition(pod, "Ready").is_some_and(|condition| condition["status"] == "True");
    Pod {
        name: text(&pod["metadata"]["name"]),
        uid: text(&pod["metadata"]["uid"]),
        ready: is_ready && pod["metadata"]["deletionTimestamp"].is_null(),
    }
}

/// Returns how many replicas a workload is to have.
pub async fn replicas(kube: &dyn Kube, workload: &Workload) -> Result<u64, Miss> {
    Ok(kube.get(&object(workload)).await?["spec"]["replicas"].as_u64().unwrap_or(1))
}

/// Asks for so many replicas.
pub async fn scale(kube: &dyn Kube, workload: &Workload, to: u64) -> Result<(), Miss> {
    kube.merge(&object(workload), &json!({ "spec": { "replicas": to } })).await?;
    Ok(())
}

/// Looks whether a workload is as it is to be, with pods that are ready and none that end.
pub async fn is_settled(kube: &dyn Kube, workload: &Workload) -> Result<(), Miss> {
    let live = kube.get(&object(workload)).await?;
    let wanted = live["spec"]["replicas"].as_u64();
    match rollout(&live).state {
        State::Complete => {}
        State::Progressing(words) | State::Failed(words) => {
            return Err(Miss::new(format!("{}: {words}", workload.name)));
        }
    }
    let pods = pods_of(kube, workload).await?;
    let ending = pods.iter().filter(|pod| !pod.ready).count();
    if ending > 0 || wanted.is_some_and(|wanted| pods.len() as u64 != wanted) {
        return Err(Miss::new(format!("{}: {} pods are there, {ending} of them not ready", workload.name, pods.len())));
    }
    Ok(())
}

/// Deletes the pods of a workload and returns what tells them from those that come after.
pub async fn delete_pods(kube: &dyn Kube, workload: &Workload) -> Result<Vec<String>, Miss> {
    let pods = pods_of(kube, workload).await?;
    for Pod { name, .. } in &pods {
        let (api_version, kind, namespace) = ("v1".into(), "Pod".into(), workload.namespace.clone());
        kube.delete(&ObjectRef { api_version, kind, namespace, name: name.clone() }).await?;
    }
    Ok(pods.into_iter().map(|pod| pod.uid).collect())
}

/// Looks whether other pods than these are there and ready.
pub async fn are_replaced(kube: &dyn Kube, workload: &Workload, old: &[String]) -> Result<(), Miss> {
    let still = pods_of(kube, workload).await?.into_iter().find(|pod| old.contains(&pod.uid));
    match still {
        Some(pod) => Err(Miss::new(format!("pod {} has not ended yet", pod.name))),
        None => is_settled(kube, workload).await,
    }
}
