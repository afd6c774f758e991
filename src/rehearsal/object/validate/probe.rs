//! Rules of probes and lifecycle hooks.

use serde_json::Value;

use super::{container::number_of, names, problems::Problems};
use crate::rehearsal::object::read::{has, integer, text};

const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const NUMBERS: [&str; 5] =
    ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];

/// Checks the probes and hooks of a container.
pub fn check(container: &Value, path: &str, problems: &mut Problems) {
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get(kind).filter(|probe| !probe.is_null()) else { continue };
        let path = format!("{path}.{kind}");
        handler(probe, &path, "must specify a handler type", problems);
        for field in NUMBERS {
            problems.not_negative(format!("{path}.{field}"), integer(probe, &format!("/{field}")));
        }
        let successes = integer(probe, "/successThreshold").unwrap_or(1);
        if kind != "readinessProbe" && successes != 1 {
            problems.invalid(format!("{path}.successThreshold"), &successes.into(), "must be 1");
        }
    }
    for hook in ["postStart", "preStop"] {
        let pointer = format!("/lifecycle/{hook}");
        if let Some(action) = container.pointer(&pointer).filter(|action| !action.is_null()) {
            handler(action, &format!("{path}.lifecycle.{hook}"), "must specify a handler type", problems);
        }
    }
}

fn handler(action: &Value, path: &str, none: &str, problems: &mut Problems) {
    let sleeps = has(action, "/sleep");
    let chosen: Vec<_> = HANDLERS.into_iter().filter(|kind| has(action, &format!("/{kind}"))).collect();
    if chosen.is_empty() && !sleeps {
        problems.required(path, none);
    }
    for other in chosen.iter().skip(1) {
        problems.forbidden(format!("{path}.{other}"), "may not specify more than 1 handler type");
    }
    match chosen.first() {
        Some(&"exec") if action.pointer("/exec/command").and_then(Value::as_array).is_none_or(Vec::is_empty) => {
            problems.required(format!("{path}.exec.command"), "");
        }
        Some(&"httpGet") => {
            port(action.pointer("/httpGet/port"), format!("{path}.httpGet.port"), problems);
            problems.one_of(format!("{path}.httpGet.scheme"), text(action, "/httpGet/scheme"), &["HTTP", "HTTPS"]);
        }
        Some(&"tcpSocket") => port(action.pointer("/tcpSocket/port"), format!("{path}.tcpSocket.port"), problems),
        Some(&"grpc") => number_of(integer(action, "/grpc/port").unwrap_or(0), format!("{path}.grpc.port"), problems),
        _ => {}
    }
}

/// Checks a port that is a number or a name.
pub fn port(port: Option<&Value>, path: String, problems: &mut Problems) {
    match port {
        Some(Value::String(name)) => problems.syntax(&path, name, names::port_name(name)),
        other => number_of(other.and_then(Value::as_i64).unwrap_or(0), path, problems),
    }
}
