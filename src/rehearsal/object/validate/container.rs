//! Rules of containers.

use std::collections::HashSet;

use serde_json::Value;

use super::{names, probe, problems::Problems};
use crate::rehearsal::object::quantity::Quantity;
use crate::rehearsal::object::read::{entries, has, integer, list, text};

const PULL: &[&str] = &["Always", "IfNotPresent", "Never"];
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const SOURCES: [&str; 4] = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"];

/// Checks all containers of a pod spec; they may mount `volumes`.
pub fn check(spec: &Value, path: &str, volumes: &HashSet<&str>, problems: &mut Problems) {
    let mut names = HashSet::new();
    if list(spec, "/containers").is_empty() {
        problems.required(format!("{path}.containers"), "");
    }
    for kind in ["initContainers", "containers"] {
        for (index, container) in list(spec, &format!("/{kind}")).iter().enumerate() {
            let path = format!("{path}.{kind}[{index}]");
            let sidecar = kind == "initContainers" && text(container, "/restartPolicy") == "Always";
            self::container(container, &path, volumes, problems);
            if kind == "containers" || sidecar {
                probe::check(container, &path, problems);
            } else {
                for probe in ["livenessProbe", "readinessProbe", "startupProbe"]
                    .iter()
                    .filter(|it| has(container, &format!("/{it}")))
                {
                    problems.forbidden(
                        format!("{path}.{probe}"),
                        "may not be set for init containers without restartPolicy=Always",
                    );
                }
            }
            let name = text(container, "/name");
            if !name.is_empty() && !names.insert(name) {
                problems.duplicate(format!("{path}.name"), &name.into());
            }
        }
    }
}

fn container(container: &Value, path: &str, volumes: &HashSet<&str>, problems: &mut Problems) {
    let (name, image) = (text(container, "/name"), text(container, "/image"));
    if name.is_empty() {
        problems.required(format!("{path}.name"), "");
    } else {
        problems.syntax(&format!("{path}.name"), name, names::label(name));
    }
    if image.is_empty() {
        problems.required(format!("{path}.image"), "");
    } else if image.trim() != image {
        problems.invalid(format!("{path}.image"), &image.into(), "must not have leading or trailing whitespace");
    }
    problems.one_of(format!("{path}.imagePullPolicy"), text(container, "/imagePullPolicy"), PULL);
    let messages = &["FallbackToLogsOnError", "File"];
    problems.one_of(format!("{path}.terminationMessagePolicy"), text(container, "/terminationMessagePolicy"), messages);
    ports(container, path, problems);
    environment(container, path, problems);
    mounts(container, path, volumes, problems);
    resources(container, &format!("{path}.resources"), problems);
}

fn ports(container: &Value, path: &str, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for (index, port) in list(container, "/ports").iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        let name = text(port, "/name");
        if !name.is_empty() {
            problems.syntax(&format!("{path}.name"), name, names::port_name(name));
            if !seen.insert(name) {
                problems.duplicate(format!("{path}.name"), &name.into());
            }
        }
        match integer(port, "/containerPort").unwrap_or(0) {
            0 => problems.required(format!("{path}.containerPort"), ""),
            number => number_of(number, format!("{path}.containerPort"), problems),
        }
        if let Some(number) = integer(port, "/hostPort").filter(|number| *number != 0) {
            number_of(number, format!("{path}.hostPort"), problems);
        }
        match text(port, "/protocol") {
            "" => problems.required(format!("{path}.protocol"), ""),
            protocol => problems.one_of(format!("{path}.protocol"), protocol, PROTOCOLS),
        }
    }
}

/// Checks the number of a port.
pub fn number_of(number: i64, path: String, problems: &mut Problems) {
    if let Some(why) = names::port_number(number) {
        problems.invalid(path, &number.into(), &why);
    }
}

fn environment(container: &Value, path: &str, problems: &mut Problems) {
    for (index, variable) in list(container, "/env").iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        match text(variable, "/name") {
            "" => problems.required(format!("{path}.name"), ""),
            name => problems.syntax(&format!("{path}.name"), name, names::env_name(name)),
        }
        let Some(source) = variable.get("valueFrom").filter(|source| !source.is_null()) else { continue };
        let path = format!("{path}.valueFrom");
        let chosen: Vec<_> = SOURCES.into_iter().filter(|kind| has(source, &format!("/{kind}"))).collect();
        if chosen.is_empty() {
            let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
            problems.invalid(&path, &"".into(), why);
        } else if !text(variable, "/value").is_empty() {
            problems.invalid(&path, &"".into(), "may not be specified when `value` is not empty");
        } else if chosen.len() > 1 {
            problems.invalid(&path, &"".into(), "may not have more than one field specified at a time");
        }
        for kind in chosen {
            let needed = match kind {
                "fieldRef" => "fieldPath",
                "resourceFieldRef" => "resource",
                _ => "key",
            };
            if text(source, &format!("/{kind}/{needed}")).is_empty() {
                problems.required(format!("{path}.{kind}.{needed}"), "");
            }
        }
    }
    for (index, source) in list(container, "/envFrom").iter().enumerate() {
        let path = format!("{path}.envFrom[{index}]");
        let chosen: Vec<_> =
            ["configMapRef", "secretRef"].into_iter().filter(|kind| has(source, &format!("/{kind}"))).collect();
        match &chosen[..] {
            [] => problems.invalid(&path, &"".into(), "must specify one of: `configMapRef` or `secretRef`"),
            [kind] if text(source, &format!("/{kind}/name")).is_empty() => {
                problems.required(format!("{path}.{kind}.name"), "");
            }
            [_] => {}
            _ => problems.invalid(&path, &"".into(), "may not have more than one field specified at a time"),
        }
    }
}

fn mounts(container: &Value, path: &str, volumes: &HashSet<&str>, problems: &mut Problems) {
    let mut paths = HashSet::new();
    for (index, mount) in list(container, "/volumeMounts").iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        match text(mount, "/name") {
            "" => problems.required(format!("{path}.name"), ""),
            name if !volumes.contains(name) => problems.not_found(format!("{path}.name"), name),
            _ => {}
        }
        match text(mount, "/mountPath") {
            "" => problems.required(format!("{path}.mountPath"), ""),
            place if !paths.insert(place) => {
                problems.invalid(format!("{path}.mountPath"), &place.into(), "must be unique");
            }
            _ => {}
        }
        let inner = text(mount, "/subPath");
        if inner.starts_with('/') {
            problems.invalid(format!("{path}.subPath"), &inner.into(), "must be a relative path");
        } else if inner.split('/').any(|part| part == "..") {
            problems.invalid(format!("{path}.subPath"), &inner.into(), "must not contain '..'");
        }
    }
}

fn resources(container: &Value, path: &str, problems: &mut Problems) {
    let quantity = |value: Option<&Value>| value.and_then(Value::as_str).and_then(Quantity::parse);
    for kind in ["limits", "requests"] {
        for (name, amount) in entries(container, &format!("/resources/{kind}")) {
            let path = format!("{path}.{kind}[{name}]");
            problems.syntax(&path, name, names::qualified(name));
            if quantity(Some(amount)).is_some_and(Quantity::is_negative) {
                problems.invalid(path, amount, "must be greater than or equal to 0");
            }
        }
    }
    for (name, request) in entries(container, "/resources/requests") {
        let limit = container.pointer("/resources/limits").and_then(|limits| limits.get(name));
        let (Some(wanted), Some(most)) = (quantity(Some(request)), quantity(limit)) else { continue };
        if wanted > most {
            let why = format!("must be less than or equal to {name} limit of {most}");
            problems.invalid(format!("{path}.requests"), request, &why);
        }
    }
}
