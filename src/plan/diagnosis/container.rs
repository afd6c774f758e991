//! What the statuses of a pod's containers say.

use std::time::Duration;

use serde_json::Value;

use super::{Certainty, Finding, Log, message, timestamp};
use crate::failure::{CONTAINER_CONFIG, CONTAINER_CRASHES, IMAGE_NOT_PULLED, POD_NOT_READY};

/// Restarts after which a container is taken to crash whatever the others do.
const CERTAIN_RESTARTS: u64 = 3;
/// Words of registries and of the container runtime after which trying again helps nobody.
const HOPELESS: [&str; 6] =
    ["not found", "denied", "unauthorized", "authorization failed", "invalid reference", "no such host"];
/// The probe's allowance is what it says plus the kubelet's own delays.
const PROBE_SLACK: Duration = Duration::from_secs(2);

pub(super) fn diagnose(pod: &Value, events: &[&Value]) -> Option<Finding> {
    if !pod["metadata"]["deletionTimestamp"].is_null() || pod["status"]["phase"] == "Succeeded" {
        return None;
    }
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten()
        .find_map(|status| {
            let mut finding = of_container(pod, status, events)?;
            finding.container = status["name"].as_str().map(Into::into);
            Some(finding)
        })
}

fn of_container(pod: &Value, status: &Value, events: &[&Value]) -> Option<Finding> {
    let waiting = &status["state"]["waiting"];
    match waiting["reason"].as_str().unwrap_or_default() {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => Some(image(pod, status, events)),
        "CreateContainerConfigError" | "CreateContainerError" => {
            let words = words(waiting, events, &["Failed"]);
            Some(Finding::new(&CONTAINER_CONFIG, pod, Certainty::After(Duration::from_secs(2))).because(words))
        }
        "ContainerCreating" | "PodInitializing" => None,
        _ => crash(pod, status, events).or_else(|| not_ready(pod, status, events)),
    }
}

fn image(pod: &Value, status: &Value, events: &[&Value]) -> Finding {
    let waiting = &status["state"]["waiting"];
    let pull =
        events.iter().filter_map(|event| event["message"].as_str()).find(|m| m.starts_with("Failed to pull image"));
    let words = pull.map_or_else(|| words(waiting, events, &[]), Into::into);
    let reason = waiting["reason"].as_str().unwrap_or_default();
    let certain =
        matches!(reason, "InvalidImageName" | "ErrImageNeverPull") || HOPELESS.iter().any(|sign| words.contains(sign));
    let patience = Duration::from_secs(if certain { 0 } else { 20 });
    let mut finding = Finding::new(&IMAGE_NOT_PULLED, pod, Certainty::After(patience)).because(words);
    finding.image = spec_of(pod, status)["image"].as_str().or_else(|| status["image"].as_str()).map(Into::into);
    finding
}

fn crash(pod: &Value, status: &Value, events: &[&Value]) -> Option<Finding> {
    let restarts = status["restartCount"].as_u64().unwrap_or(0);
    let looping = status["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    let now = &status["state"]["terminated"];
    let ended = if now.is_object() { now } else { &status["lastState"]["terminated"] };
    let in_ruins = now.is_object() && now["exitCode"] != 0;
    let recovering = status["ready"] == true || !(looping || in_ruins);
    if recovering || (restarts == 0 && !looping && pod["spec"]["restartPolicy"] != "Never") {
        return None;
    }
    let certainty = if restarts >= CERTAIN_RESTARTS {
        Certainty::After(Duration::ZERO)
    } else {
        Certainty::OnceOthersWereReady(timestamp(&ended["startedAt"]))
    };
    let mut finding = Finding::new(&CONTAINER_CRASHES, pod, certainty);
    finding.log = Some(if now.is_object() { Log::Current } else { Log::Previous });
    let probe = message(events, &["Unhealthy"]).filter(|m| !m.starts_with("Readiness"));
    let killed = ended["exitCode"] == 137 || ended["exitCode"] == 143;
    if let Some(probe) = probe.filter(|_| killed && ended["reason"] != "OOMKilled") {
        finding = finding.because(probe);
    }
    Some(finding.because(ending(pod, status, ended, restarts)))
}

fn ending(pod: &Value, status: &Value, ended: &Value, restarts: u64) -> String {
    let name = status["name"].as_str().unwrap_or_default();
    let times = if restarts == 1 { "1 restart".into() } else { format!("{restarts} restarts") };
    let limit = spec_of(pod, status)["resources"]["limits"]["memory"].as_str();
    let how = match (ended["reason"].as_str(), limit, ended["exitCode"].as_i64()) {
        (Some("OOMKilled"), Some(limit), _) => format!("used more memory than its limit of {limit} and was killed"),
        (Some("OOMKilled"), None, _) => "used more memory than its node had and was killed".into(),
        (_, _, Some(code)) => format!("ended with exit code {code}"),
        _ => "ended".into(),
    };
    let message = ended["message"].as_str().map(|message| format!(": {}", message.trim())).unwrap_or_default();
    format!("container `{name}` {how} ({times}){message}")
}

fn not_ready(pod: &Value, status: &Value, events: &[&Value]) -> Option<Finding> {
    if status["ready"] == true || !status["state"]["running"].is_object() {
        return None;
    }
    let spec = spec_of(pod, status);
    let starting = status["started"] == false && spec["startupProbe"].is_object();
    let probe = if starting { "startup" } else { "readiness" };
    let allowance = allowance(&spec[format!("{probe}Probe")]) + PROBE_SLACK;
    let name = status["name"].as_str().unwrap_or_default();
    let words = message(events, &["Unhealthy"]).filter(|message| !message.starts_with("Liveness"));
    let silent = format!("container `{name}` runs and its {probe} probe has not succeeded");
    let mut finding = Finding::new(&POD_NOT_READY, pod, Certainty::AfterOthers(allowance))
        .because(words.map_or(silent, String::from));
    finding.log = Some(Log::Current);
    Some(finding)
}

/// How long a probe may fail before it counts.
fn allowance(probe: &Value) -> Duration {
    let number = |key: &str, default: u64| probe[key].as_u64().unwrap_or(default);
    Duration::from_secs(number("initialDelaySeconds", 0) + number("periodSeconds", 10) * number("failureThreshold", 3))
}

fn spec_of<'a>(pod: &'a Value, status: &Value) -> &'a Value {
    ["initContainers", "containers"]
        .into_iter()
        .filter_map(|list| pod["spec"][list].as_array())
        .flatten()
        .find(|container| container["name"] == status["name"])
        .unwrap_or(&Value::Null)
}

fn words(waiting: &Value, events: &[&Value], reasons: &[&str]) -> String {
    let said = waiting["message"].as_str().filter(|message| !message.is_empty());
    said.or_else(|| message(events, reasons)).or(waiting["reason"].as_str()).unwrap_or_default().to_string()
}
