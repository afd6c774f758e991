//! The scheduler's view of a pod's persistent volume claims.

use std::sync::Arc;

use serde_json::Value;

use super::{
    super::{context::Context, template::set_annotation, volume},
    filter::{Candidate, Refusal},
};
use crate::rehearsal::store::Object;

/// The annotation by which the scheduler tells a provisioner where the volume is needed.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// What a pod's claims ask of its node.
pub struct Claims {
    /// Claims to bind once the node is known.
    pub unbound: Vec<Arc<Object>>,
    /// Required node affinity of the volumes that are bound.
    affinities: Vec<Value>,
    /// A node was selected for an unbound claim before.
    selected: Option<String>,
    /// Nothing can provide one of the claims.
    hopeless: bool,
}

impl Claims {
    pub fn fit(&self, node: &Candidate) -> Result<(), Refusal> {
        if self.hopeless {
            return Err(Refusal::NoVolume);
        }
        let selected = self.selected.as_ref().is_none_or(|selected| *selected == node.name);
        let near = self.affinities.iter().all(|affinity| affinity.is_null() || node.matches_terms(affinity));
        if selected && near { Ok(()) } else { Err(Refusal::VolumeAffinity) }
    }
}

/// Looks the pod's claims up.
///
/// # Errors
/// The reason that holds for every node: a claim is missing, or waits for a volume that must exist first.
pub fn claims(cx: &Context, pod: &Object, value: &Value) -> Result<Claims, String> {
    let mut claims = Claims { unbound: Vec::new(), affinities: Vec::new(), selected: None, hopeless: false };
    for volume in value["spec"]["volumes"].as_array().into_iter().flatten() {
        let Some(name) = volume["persistentVolumeClaim"]["claimName"].as_str() else { continue };
        let claim = cx.get("PersistentVolumeClaim", &pod.key.namespace, name);
        let claim = claim.ok_or_else(|| format!("persistentvolumeclaim \"{name}\" not found"))?;
        if claim.deleting {
            return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
        }
        claims.take(cx, claim)?;
    }
    Ok(claims)
}

impl Claims {
    fn take(&mut self, cx: &Context, claim: Arc<Object>) -> Result<(), String> {
        let value = claim.value();
        if value["status"]["phase"] == "Bound" {
            let bound = value["spec"]["volumeName"].as_str().unwrap_or_default();
            if let Some(bound) = cx.get("PersistentVolume", "", bound) {
                self.affinities.push(bound.value()["spec"]["nodeAffinity"]["required"].take());
            }
            return Ok(());
        }
        let class = volume::class_of(cx, &value);
        if !class.as_ref().is_some_and(volume::waits_for_consumer) {
            return Err("pod has unbound immediate PersistentVolumeClaims".into());
        }
        let provided = class.as_ref().is_some_and(|class| class["provisioner"] == volume::PROVISIONER);
        self.hopeless |= !provided && volume::find(cx, &value).is_none();
        let annotations = &value["metadata"]["annotations"];
        self.selected = annotations[SELECTED_NODE].as_str().map(str::to_owned).or(self.selected.take());
        self.unbound.push(claim);
        Ok(())
    }
}

/// Tells the provisioner of an unbound claim which node the pod will run on.
pub fn select_node(cx: &Context, claim: &Object, node: &str) {
    cx.store.modify(&claim.key, |claim| {
        let mut value = claim.value();
        set_annotation(&mut value, SELECTED_NODE, node);
        Some(value)
    });
}
