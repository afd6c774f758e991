//! Rules of services.

use std::collections::HashSet;

use serde_json::Value;

use super::problems::Problems;
use super::{container::number_of, metadata, names, probe};
use crate::rehearsal::object::read::{integer, list, text};

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

/// Checks a service. Whether addresses and node ports are free is for who gives them out.
pub fn check(service: &Value, problems: &mut Problems) {
    let kind = text(service, "/spec/type");
    let headless = text(service, "/spec/clusterIP") == "None";
    let ports = list(service, "/spec/ports");
    if kind.is_empty() {
        problems.required("spec.type", "");
    }
    problems.one_of("spec.type", kind, TYPES);
    problems.one_of("spec.sessionAffinity", text(service, "/spec/sessionAffinity"), &["ClientIP", "None"]);
    if ports.is_empty() && !headless && kind != "ExternalName" {
        problems.required("spec.ports", "");
    }
    match kind {
        "ExternalName" => external_name(service, problems),
        "NodePort" | "LoadBalancer" if headless => {
            let why = format!("may not be set to 'None' for {kind} services");
            problems.invalid("spec.clusterIPs[0]", &"None".into(), &why);
        }
        _ => {}
    }
    metadata::labels(service, "/spec/selector", "spec.selector", problems);
    self::ports(ports, kind, problems);
}

fn external_name(service: &Value, problems: &mut Problems) {
    let name = text(service, "/spec/externalName");
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        problems.required("spec.externalName", "");
    } else {
        problems.syntax("spec.externalName", name, names::subdomain(name));
    }
    let ip = text(service, "/spec/clusterIP");
    if !ip.is_empty() && ip != "None" {
        problems.forbidden("spec.clusterIPs[0]", "may not be set for ExternalName services");
    }
}

fn ports(ports: &[Value], kind: &str, problems: &mut Problems) {
    let (mut seen, mut numbers, mut nodes) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let (name, protocol) = (text(port, "/name"), text(port, "/protocol"));
        if name.is_empty() {
            if ports.len() > 1 {
                problems.required(format!("{path}.name"), "");
            }
        } else {
            problems.syntax(&format!("{path}.name"), name, names::label(name));
            if !seen.insert(name) {
                problems.duplicate(format!("{path}.name"), &name.into());
            }
        }
        let number = integer(port, "/port").unwrap_or(0);
        number_of(number, format!("{path}.port"), problems);
        problems.one_of(format!("{path}.protocol"), protocol, &["SCTP", "TCP", "UDP"]);
        if let Some(target) = port.get("targetPort").filter(|target| !target.is_null()) {
            probe::port(Some(target), format!("{path}.targetPort"), problems);
        }
        if !numbers.insert((number, protocol)) {
            problems.duplicate(path.clone(), port);
        }
        let node = integer(port, "/nodePort").unwrap_or(0);
        if node != 0 && !["NodePort", "LoadBalancer"].contains(&kind) {
            problems.forbidden(format!("{path}.nodePort"), &format!("may not be used when `type` is '{kind}'"));
        } else if node != 0 && !nodes.insert((node, protocol)) {
            problems.duplicate(format!("{path}.nodePort"), &node.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepted, refused};
    use serde_json::json;

    #[test]
    fn services_have_ports_with_names() {
        accepted("Service", json!({"spec": {"ports": [{"port": 80}]}}));
        accepted("Service", json!({"spec": {"clusterIP": "None"}}));
        accepted("Service", json!({"spec": {"type": "ExternalName", "externalName": "example.com"}}));
        refused("Service", json!({"spec": {}}), "spec.ports: Required value");
        let two = json!({"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81}]}});
        refused("Service", two, "spec.ports[1].name: Required value");
        let number = json!({"spec": {"ports": [{"port": 0, "targetPort": 1}]}});
        refused("Service", number, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive");
        let node = json!({"spec": {"ports": [{"port": 80, "nodePort": 30000}]}});
        refused("Service", node, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'");
        let kind = json!({"spec": {"type": "Node", "ports": [{"port": 80}]}});
        let types = "\"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"";
        refused("Service", kind, &format!("spec.type: Unsupported value: \"Node\": supported values: {types}"));
    }
}
