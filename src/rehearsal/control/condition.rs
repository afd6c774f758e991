//! Status conditions and the times in them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::rehearsal::clock::this_second;

/// Returns the second that it is, as Kubernetes writes it.
pub fn now() -> String {
    this_second().to_string()
}

/// Returns the time to the microsecond, as leases write it.
pub fn micro_now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Returns the seconds since a time that Kubernetes wrote; 0 for what is no time.
pub fn age(time: &Value) -> i64 {
    let time = time.as_str().and_then(|time| time.parse::<Timestamp>().ok());
    time.map_or(0, |time| Timestamp::now().as_second() - time.as_second())
}

/// Returns the condition of that type; `Null` if it is not there.
pub fn get<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

/// Returns whether the condition of that type is `True`.
pub fn holds(status: &Value, kind: &str) -> bool {
    get(status, kind)["status"] == "True"
}

/// One condition to set.
pub struct Condition<'a> {
    pub kind: &'a str,
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    pub reason: &'a str,
    pub message: &'a str,
}

/// Sets a condition and returns it for more fields; `lastTransitionTime` moves only when its status does.
pub fn set<'a>(status: &'a mut Value, condition: Condition<'_>) -> &'a mut Value {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let conditions = status["conditions"].as_array_mut().expect("made just now");
    let place = conditions.iter().position(|one| one["type"] == condition.kind).unwrap_or_else(|| {
        conditions.push(json!({"type": condition.kind}));
        conditions.len() - 1
    });
    let entry = &mut conditions[place];
    if entry["status"] != condition.status {
        entry["status"] = json!(condition.status);
        entry["lastTransitionTime"] = json!(now());
    }
    for (key, text) in [("reason", condition.reason), ("message", condition.message)] {
        match text {
            "" => drop(entry.as_object_mut().map(|entry| entry.remove(key))),
            text => entry[key] = json!(text),
        }
    }
    entry
}

/// Returns `True` or `False`.
pub fn word(holds: bool) -> &'static str {
    if holds { "True" } else { "False" }
}
