//! Where people reach a stack.

use serde_json::Value;

use crate::model::{Machine, MachineState};

/// Returns the URLs of a stack's NodePort services and ingresses; `objects` are live or wanted.
pub fn urls<'o>(objects: impl IntoIterator<Item = &'o Value>, machines: &[Machine]) -> Vec<String> {
    let running = machines.iter().find(|machine| machine.state == MachineState::Running);
    let Some(machine) = running.or(machines.first()) else { return Vec::new() };
    objects.into_iter().flat_map(|object| of_object(object, &machine.address)).collect()
}

fn of_object(object: &Value, address: &str) -> Vec<String> {
    match object["kind"].as_str() {
        Some("Service") => {
            let ports = object["spec"]["ports"].as_array().into_iter().flatten();
            ports.filter_map(|port| port["nodePort"].as_u64()).map(|port| format!("http://{address}:{port}")).collect()
        }
        Some("Ingress") => {
            let scheme = if object["spec"]["tls"].is_array() { "https" } else { "http" };
            let rules = object["spec"]["rules"].as_array().into_iter().flatten();
            rules.filter_map(|rule| rule["host"].as_str()).map(|host| format!("{scheme}://{host}")).collect()
        }
        _ => Vec::new(),
    }
}
