//! Rules of ingresses, network policies and endpoint slices.

use serde_json::Value;

use super::problems::Problems;
use super::{metadata, names, probe};
use crate::rehearsal::object::read::{has, list, text};

pub fn ingress(object: &Value, problems: &mut Problems) {
    let rules = list(object, "/spec/rules");
    if rules.is_empty() && !has(object, "/spec/defaultBackend") {
        let spec = object.get("spec").cloned().unwrap_or_default();
        problems.invalid("spec", &spec, "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(backend) = object.pointer("/spec/defaultBackend").filter(|backend| !backend.is_null()) {
        self::backend(backend, "spec.defaultBackend", problems);
    }
    for (index, rule) in rules.iter().enumerate() {
        let host = text(rule, "/host");
        if !host.is_empty() {
            let plain = host.strip_prefix("*.").unwrap_or(host);
            problems.syntax(&format!("spec.rules[{index}].host"), host, names::subdomain(plain));
        }
        if has(rule, "/http") && list(rule, "/http/paths").is_empty() {
            problems.required(format!("spec.rules[{index}].http.paths"), "");
        }
        for (number, route) in list(rule, "/http/paths").iter().enumerate() {
            self::route(route, &format!("spec.rules[{index}].http.paths[{number}]"), problems);
        }
    }
}

fn route(route: &Value, path: &str, problems: &mut Problems) {
    let place = text(route, "/path");
    match text(route, "/pathType") {
        "" => problems.required(format!("{path}.pathType"), "pathType must be specified"),
        "Exact" | "Prefix" if !place.starts_with('/') => {
            problems.invalid(format!("{path}.path"), &place.into(), "must be an absolute path");
        }
        "ImplementationSpecific" if !place.is_empty() && !place.starts_with('/') => {
            problems.invalid(format!("{path}.path"), &place.into(), "must be an absolute path");
        }
        kind => problems.one_of(format!("{path}.pathType"), kind, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    let backend = route.get("backend").unwrap_or(&Value::Null);
    self::backend(backend, &format!("{path}.backend"), problems);
}

fn backend(backend: &Value, path: &str, problems: &mut Problems) {
    match (has(backend, "/service"), has(backend, "/resource")) {
        (true, true) => problems.invalid(path, &"".into(), "cannot set both resource and service backends"),
        (false, false) => problems.required(path, "port name or number is required"),
        (false, true) => {}
        (true, false) => {
            if text(backend, "/service/name").is_empty() {
                problems.required(format!("{path}.service.name"), "");
            }
            match (backend.pointer("/service/port/number"), text(backend, "/service/port/name")) {
                (Some(number), "") => probe::port(Some(number), format!("{path}.service.port.number"), problems),
                (None, "") => problems.required(path, "port name or number is required"),
                (None, name) => problems.syntax(&format!("{path}.service.port.name"), name, names::port_name(name)),
                (Some(_), _) => problems.invalid(path, &"".into(), "cannot set both port name & port number"),
            }
        }
    }
}

pub fn policy(object: &Value, problems: &mut Problems) {
    metadata::selector(object, "/spec/podSelector", "spec.podSelector", problems);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in list(object, &format!("/spec/{direction}")).iter().enumerate() {
            let path = format!("spec.{direction}[{index}]");
            for (number, port) in list(rule, "/ports").iter().enumerate() {
                let path = format!("{path}.ports[{number}]");
                problems.one_of(format!("{path}.protocol"), text(port, "/protocol"), &["SCTP", "TCP", "UDP"]);
                if let Some(port) = port.get("port").filter(|port| !port.is_null()) {
                    probe::port(Some(port), format!("{path}.port"), problems);
                }
            }
            for (number, peer) in list(rule, &format!("/{peers}")).iter().enumerate() {
                self::peer(peer, &format!("{path}.{peers}[{number}]"), problems);
            }
        }
    }
    let types = list(object, "/spec/policyTypes");
    if types.len() > 2 {
        problems.invalid("spec.policyTypes", &types.into(), "may not specify more than two policyTypes");
    }
    for (index, kind) in types.iter().filter_map(Value::as_str).enumerate() {
        problems.one_of(format!("spec.policyTypes[{index}]"), kind, &["Egress", "Ingress"]);
    }
}

fn peer(peer: &Value, path: &str, problems: &mut Problems) {
    let selectors = has(peer, "/podSelector") || has(peer, "/namespaceSelector");
    match (selectors, has(peer, "/ipBlock")) {
        (false, false) => problems.required(path, "must specify a peer"),
        (true, true) => problems.forbidden(path, "may not specify both ipBlock and another peer"),
        (true, false) => {
            for selector in ["podSelector", "namespaceSelector"] {
                metadata::selector(peer, &format!("/{selector}"), &format!("{path}.{selector}"), problems);
            }
        }
        (false, true) => cidr(text(peer, "/ipBlock/cidr"), format!("{path}.ipBlock.cidr"), problems),
    }
}

fn cidr(block: &str, path: String, problems: &mut Problems) {
    if block.is_empty() {
        return problems.required(path, "");
    }
    let fits = block.split_once('/').is_some_and(|(address, bits)| {
        let most = address.parse().map_or(0, |address: std::net::IpAddr| if address.is_ipv4() { 32 } else { 128 });
        most > 0 && bits.parse::<u32>().is_ok_and(|bits| bits <= most)
    });
    if !fits {
        problems.invalid(path, &block.into(), "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    }
}

pub fn endpoint_slice(object: &Value, problems: &mut Problems) {
    match text(object, "/addressType") {
        "" => problems.required("addressType", ""),
        kind => problems.one_of("addressType", kind, &["FQDN", "IPv4", "IPv6"]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepted, refused};
    use serde_json::{Value, json};

    fn ingress(path: Value) -> Value {
        json!({"spec": {"rules": [{"host": "a.b", "http": {"paths": [path]}}]}})
    }

    #[test]
    fn ingresses_route_by_path() {
        let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
        accepted("Ingress", ingress(json!({"path": "/", "pathType": "Prefix", "backend": backend})));
        let why = "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified";
        refused("Ingress", ingress(json!({"path": "/", "backend": backend})), why);
        let why = "spec.rules[0].http.paths[0].path: Invalid value: \"x\": must be an absolute path";
        refused("Ingress", ingress(json!({"path": "x", "pathType": "Exact", "backend": backend})), why);
        let why = "spec: Invalid value: {}: either `defaultBackend` or `rules` must be specified";
        refused("Ingress", json!({"spec": {}}), why);
    }

    #[test]
    fn policies_name_their_peers() {
        let policy = |peer: Value| json!({"spec": {"podSelector": {}, "ingress": [{"from": [peer]}]}});
        accepted("NetworkPolicy", policy(json!({"podSelector": {"matchLabels": {"a": "b"}}})));
        refused("NetworkPolicy", policy(json!({})), "spec.ingress[0].from[0]: Required value: must specify a peer");
        let why = "spec.ingress[0].from[0].ipBlock.cidr: Invalid value: \"10.0.0.0\": must be a valid CIDR value, (e.g. \
                   10.9.8.0/24 or 2001:db8::/64)";
        refused("NetworkPolicy", policy(json!({"ipBlock": {"cidr": "10.0.0.0"}})), why);
    }
}
