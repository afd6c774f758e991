//! What containers wrote.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Api, Phase,
    query::Query,
    reply::{self, Reply},
    route::Target,
    write::{existing, text},
};
use crate::rehearsal::object::status::Status;

const TEXT: &str = "text/plain";
/// How often a followed log is looked at when its pod does not change.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);

/// The log of a container that never ran.
pub(super) fn nothing_runs(pod: &Value, container: &str) -> String {
    let name = text(pod, "/metadata/name");
    let image = containers(pod).find(|spec| text(spec, "/name") == container).map_or("", |spec| text(spec, "/image"));
    format!(
        "rehearsal: no container runs here, so {container} of {name} wrote nothing\n\
         rehearsal: on a real cluster this would be the output of {image}\n"
    )
}

/// Answers `/log` of a pod.
///
/// # Errors
/// 404 for an unknown pod, 400 for an unknown container or one that has not started.
pub(super) fn logs(api: Arc<Api>, target: Target, query: &Query) -> Result<Reply, Status> {
    let pod = existing(&api, &target)?.value();
    let container = container(&pod, query.get("container"))?;
    let previous = query.flag("previous");
    check_started(&pod, &container, previous)?;
    let cut = Cut::parse(query)?;
    let log = Log { api, target, container };
    let lines = log.lines(&pod);
    let seen = lines.len();
    let first = cut.apply(lines).concat();
    if !query.flag("follow") || previous {
        return Ok(reply::bytes(StatusCode::OK, TEXT, first));
    }
    Ok(log.follow(first, seen, cut.timestamps))
}

struct Log {
    api: Arc<Api>,
    target: Target,
    container: String,
}

/// One line with the time it was written.
struct Line {
    at: Timestamp,
    text: String,
}

impl Log {
    fn lines(&self, pod: &Value) -> Vec<Line> {
        let log = (self.api.logs)(pod, &self.container);
        let started = started_at(pod, &self.container);
        let at = |n: usize| {
            let after = SignedDuration::from_millis(i64::try_from(n).unwrap_or(i64::MAX));
            started.checked_add(after).unwrap_or(started)
        };
        log.lines().enumerate().map(|(n, line)| Line { at: at(n), text: format!("{line}\n") }).collect()
    }

    /// Sends what is there, then what is added, until the pod is gone or has ended.
    fn follow(self, first: String, seen: usize, timestamps: bool) -> Reply {
        let phase = self.api.phase.subscribe();
        let state = (self, Some(first), seen, phase);
        reply::stream(
            TEXT,
            futures::stream::unfold(state, move |(log, first, mut seen, mut phase)| async move {
                if let Some(first) = first.filter(|first| !first.is_empty()) {
                    return Some((Bytes::from(first), (log, None, seen, phase)));
                }
                loop {
                    let pod = existing(&log.api, &log.target).ok()?.value();
                    let lines = log.lines(&pod);
                    if lines.len() > seen {
                        let new: String = lines[seen..].iter().map(|line| line.render(timestamps)).collect();
                        seen = lines.len();
                        return Some((Bytes::from(new), (log, None, seen, phase)));
                    }
                    if matches!(text(&pod, "/status/phase"), "Succeeded" | "Failed") {
                        return None;
                    }
                    tokio::select! {
                        _ = phase.wait_for(|phase| *phase == Phase::Stopped) => return None,
                        () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
                    }
                }
            }),
        )
    }
}

impl Line {
    fn render(&self, timestamp: bool) -> String {
        if timestamp { format!("{:.9} {}", self.at, self.text) } else { self.text.clone() }
    }
}

/// Which lines are asked for.
struct Cut {
    tail: Option<usize>,
    since: Option<Timestamp>,
    limit: Option<usize>,
    timestamps: bool,
}

impl Cut {
    fn parse(query: &Query) -> Result<Self, Status> {
        let ago = query.number("sinceSeconds")?.map(SignedDuration::from_secs);
        let since = match query.get("sinceTime") {
            Some(time) => Some(time.parse().map_err(|_| Status::bad_request(format!("invalid sinceTime {time:?}")))?),
            None => ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok()),
        };
        Ok(Self {
            tail: query.number("tailLines")?,
            limit: query.number("limitBytes")?,
            timestamps: query.flag("timestamps"),
            since,
        })
    }

    fn apply(&self, lines: Vec<Line>) -> Vec<String> {
        let kept: Vec<_> = lines.into_iter().filter(|line| self.since.is_none_or(|since| line.at >= since)).collect();
        let skipped = self.tail.map_or(0, |tail| kept.len().saturating_sub(tail));
        let rendered = kept[skipped..].iter().map(|line| line.render(self.timestamps));
        let mut left = self.limit.unwrap_or(usize::MAX);
        let cut = rendered.map_while(|line| {
            let end = (0..=left.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
            left -= end;
            (end > 0).then(|| line[..end].to_owned())
        });
        cut.collect()
    }
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["initContainers", "containers", "ephemeralContainers"].map(|list| pod["spec"][list].as_array());
    lists.into_iter().flatten().flatten()
}

fn container(pod: &Value, asked: Option<&str>) -> Result<String, Status> {
    let name = text(pod, "/metadata/name");
    let all: Vec<&str> = containers(pod).map(|container| text(container, "/name")).collect();
    let main: Vec<&str> =
        pod["spec"]["containers"].as_array().into_iter().flatten().map(|container| text(container, "/name")).collect();
    match asked {
        Some(container) if all.contains(&container) => Ok(container.to_owned()),
        Some(container) => Err(Status::bad_request(format!("container {container} is not valid for pod {name}"))),
        None if main.len() == 1 => Ok(main[0].to_owned()),
        None => Err(Status::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            main.join(" ")
        ))),
    }
}

fn container_status<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let lists = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
    let statuses = lists.into_iter().filter_map(|list| pod["status"][list].as_array()).flatten();
    statuses.into_iter().find(|status| text(status, "/name") == container)
}

fn check_started(pod: &Value, container: &str, previous: bool) -> Result<(), Status> {
    let name = text(pod, "/metadata/name");
    let status = container_status(pod, container);
    if previous {
        let ended = status.is_some_and(|status| status["lastState"]["terminated"].is_object());
        let missing = format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return if ended { Ok(()) } else { Err(Status::bad_request(missing)) };
    }
    let waiting = status.map(|status| &status["state"]["waiting"]).filter(|waiting| waiting.is_object());
    // Of a container between two runs, the log of the last one is shown.
    let ran = status.is_some_and(|status| status["lastState"]["terminated"].is_object());
    match waiting {
        Some(waiting) if !ran => {
            let reason = match text(waiting, "/reason") {
                reason @ ("ErrImagePull" | "ImagePullBackOff") => match reason {
                    "ErrImagePull" => "image can't be pulled",
                    _ => "trying and failing to pull image",
                },
                reason => reason,
            };
            Err(Status::bad_request(format!(
                "container \"{container}\" in pod \"{name}\" is waiting to start: {reason}"
            )))
        }
        _ => Ok(()),
    }
}

fn started_at(pod: &Value, container: &str) -> Timestamp {
    let status = container_status(pod, container);
    let state = status.and_then(|status| {
        let states = [&status["state"]["running"], &status["state"]["terminated"], &status["lastState"]["terminated"]];
        states.into_iter().find_map(|state| state["startedAt"].as_str())
    });
    let time = state.unwrap_or_else(|| text(pod, "/metadata/creationTimestamp"));
    time.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]},
            "status": {"containerStatuses": [{"name": "b", "state": {"waiting": {"reason": "ContainerCreating"}}}]}})
    }

    #[test]
    fn a_container_must_be_named_known_and_started() {
        let message = |name| container(&pod(), name).unwrap_err().message;
        assert_eq!(message(None), "a container name must be specified for pod p, choose one of: [a b]");
        assert_eq!(message(Some("c")), "container c is not valid for pod p");
        let waiting = check_started(&pod(), "b", false).unwrap_err().message;
        assert_eq!(waiting, "container \"b\" in pod \"p\" is waiting to start: ContainerCreating");
        assert!(check_started(&pod(), "a", false).is_ok());
    }

    #[test]
    fn lines_are_cut_by_number_time_and_bytes() {
        let lines = || (0..4).map(|n| Line { at: Timestamp::new(n, 0).unwrap(), text: format!("{n}\n") }).collect();
        let cut = |text: &str| Cut::parse(&Query::parse(Some(text))).unwrap().apply(lines()).concat();
        assert_eq!(cut("tailLines=2"), "2\n3\n");
        assert_eq!(cut("sinceTime=1970-01-01T00:00:03Z"), "3\n");
        assert_eq!(cut("limitBytes=3"), "0\n1");
        assert_eq!(cut("tailLines=1&timestamps=true"), "1970-01-01T00:00:03.000000000Z 3\n");
    }
}
