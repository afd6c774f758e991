//! What pods ask of a node, and what class of service that makes them.

use std::ops::{AddAssign, SubAssign};

use serde_json::Value;

use super::quantity;

/// Requested resources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Thousandths of a core.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    pub pods: i64,
}

impl AddAssign for Requests {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.pods += other.pods;
    }
}

impl SubAssign for Requests {
    fn sub_assign(&mut self, other: Self) {
        self.cpu -= other.cpu;
        self.memory -= other.memory;
        self.pods -= other.pods;
    }
}

impl Requests {
    /// Returns what a pod needs at once: its containers together, or its greediest init container.
    pub fn of_pod(spec: &Value) -> Self {
        let mut sum = Self { pods: 1, ..Self::default() };
        for container in containers(spec, "containers") {
            sum += Self::of_container(container);
        }
        for container in containers(spec, "initContainers") {
            let one = Self::of_container(container);
            sum.cpu = sum.cpu.max(one.cpu);
            sum.memory = sum.memory.max(one.memory);
        }
        sum
    }

    fn of_container(container: &Value) -> Self {
        let resources = &container["resources"];
        let of = |name: &str| {
            let request = &resources["requests"][name];
            request.as_str().or_else(|| resources["limits"][name].as_str()).unwrap_or("0").to_owned()
        };
        Self { cpu: quantity::milli(&of("cpu")), memory: quantity::units(&of("memory")), pods: 0 }
    }
}

/// Returns the containers of that list of a pod's spec.
pub fn containers<'a>(spec: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    spec[list].as_array().into_iter().flatten()
}

/// Returns `Guaranteed`, `Burstable` or `BestEffort`.
pub fn quality_of_service(spec: &Value) -> &'static str {
    let all = || containers(spec, "containers").chain(containers(spec, "initContainers"));
    let set = |value: &Value| value.as_object().is_some_and(|map| !map.is_empty());
    let guaranteed = |container: &Value| {
        let resources = &container["resources"];
        ["cpu", "memory"].iter().all(|name| {
            let limit = &resources["limits"][name];
            limit.is_string() && (resources["requests"][name].is_null() || resources["requests"][name] == *limit)
        })
    };
    if all().all(guaranteed) {
        "Guaranteed"
    } else if all().any(|container| set(&container["resources"]["requests"]) || set(&container["resources"]["limits"]))
    {
        "Burstable"
    } else {
        "BestEffort"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_needs_the_sum_of_its_containers_or_its_greediest_init_container() {
        let spec = json!({
            "containers": [{"resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}, {"resources": {"limits": {"cpu": "1"}}}],
            "initContainers": [{"resources": {"requests": {"memory": "1Gi"}}}],
        });
        assert_eq!(Requests::of_pod(&spec), Requests { cpu: 1100, memory: 1 << 30, pods: 1 });
        assert_eq!(quality_of_service(&spec), "Burstable");
        assert_eq!(quality_of_service(&json!({"containers": [{}]})), "BestEffort");
    }
}
