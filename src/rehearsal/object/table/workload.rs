//! Tables of what runs pods, and of what scales and guards them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::read::{find, has, integer, is_true, list, text};
use super::{
    AGE, CONTAINERS, Column, IMAGES, NAME, Printer, Row, SELECTOR, age, column, count, human_duration, joined, labels,
    plain, selector,
};

const TEMPLATE: &str = "/spec/template/spec";

/// Puts the wide cells of a template after the others.
fn with_template(row: &Row, mut cells: Vec<Value>) -> Vec<Value> {
    cells.extend(row.containers(TEMPLATE));
    cells.push(json!(selector(row.object, "/spec/selector")));
    cells
}

fn ready_of(row: &Row, ready: &str) -> Value {
    json!(format!("{}/{}", row.number(ready), row.number("/spec/replicas")))
}

pub(super) static DEPLOYMENT: Printer = Printer {
    columns: &[
        NAME,
        column("Ready", "Pods that are ready, of all wanted."),
        column("Up-to-date", "Pods made from the newest template."),
        column("Available", "Pods that have been ready for long enough."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |row| {
        let counts = [row.number("/status/updatedReplicas"), row.number("/status/availableReplicas")];
        let ready = ready_of(row, "/status/readyReplicas");
        with_template(row, vec![row.name(), ready, json!(counts[0]), json!(counts[1]), row.age()])
    },
};

pub(super) static REPLICA_SET: Printer = Printer {
    columns: &[
        NAME,
        count("Desired", "Pods wanted."),
        count("Current", "Pods there are."),
        count("Ready", "Pods that are ready."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |row| {
        let counts = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"].map(|it| json!(row.number(it)));
        let [desired, current, ready] = counts;
        with_template(row, vec![row.name(), desired, current, ready, row.age()])
    },
};

pub(super) static STATEFUL_SET: Printer = Printer {
    columns: &[NAME, column("Ready", "Pods that are ready, of all wanted."), AGE, CONTAINERS, IMAGES],
    cells: |row| {
        let [names, images] = row.containers(TEMPLATE);
        vec![row.name(), ready_of(row, "/status/readyReplicas"), row.age(), names, images]
    },
};

pub(super) static DAEMON_SET: Printer = Printer {
    columns: &[
        NAME,
        count("Desired", "Nodes that should run the pod."),
        count("Current", "Nodes that run the pod."),
        count("Ready", "Nodes whose pod is ready."),
        count("Up-to-date", "Nodes whose pod is made from the newest template."),
        count("Available", "Nodes whose pod has been ready for long enough."),
        column("Node Selector", "Labels of the nodes that should run the pod."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |row| {
        let counts = [
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        ];
        let mut cells = vec![row.name()];
        cells.extend(counts.map(|field| json!(row.number(&format!("/status/{field}")))));
        cells.push(json!(labels(row.object, "/spec/template/spec/nodeSelector")));
        cells.push(row.age());
        with_template(row, cells)
    },
};

pub(super) static JOB: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "How far the job is."),
        column("Completions", "Pods that succeeded, of all wanted."),
        column("Duration", "How long the job has run, or ran."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |row| {
        let cells = vec![row.name(), json!(job_status(row)), json!(completions(row)), json!(duration(row)), row.age()];
        with_template(row, cells)
    },
};

fn job_status(row: &Row) -> &'static str {
    let is = |kind: &str| {
        find(row.list("/status/conditions"), "type", kind).is_some_and(|condition| text(condition, "/status") == "True")
    };
    match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if row.is_deleting() => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(row: &Row) -> String {
    let succeeded = row.number("/status/succeeded");
    match (integer(row.object, "/spec/completions"), row.number("/spec/parallelism")) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, many) if many > 1 => format!("{succeeded}/1 of {many}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn duration(row: &Row) -> String {
    let time = |pointer: &str| row.text(pointer).parse::<Timestamp>().ok();
    let Some(start) = time("/status/startTime") else { return String::new() };
    let end = time("/status/completionTime").unwrap_or(row.now);
    human_duration(end.duration_since(start))
}

pub(super) static CRON_JOB: Printer = Printer {
    columns: &[
        NAME,
        column("Schedule", "When jobs are made, in cron form."),
        column("Timezone", "Time zone of the schedule."),
        Column { kind: "boolean", ..column("Suspend", "Whether no jobs are made for now.") },
        count("Active", "Jobs that are running."),
        column("Last Schedule", "How long ago the last job was made."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |row| {
        let last = age::since(row.text("/status/lastScheduleTime"), row.now).unwrap_or_else(|| "<none>".into());
        let [names, images] = row.containers("/spec/jobTemplate/spec/template/spec");
        vec![
            row.name(),
            json!(row.text("/spec/schedule")),
            row.text_or("/spec/timeZone", "<none>"),
            json!(if is_true(row.object, "/spec/suspend") { "True" } else { "False" }),
            json!(row.list("/status/active").len()),
            json!(last),
            row.age(),
            names,
            images,
            json!(selector(row.object, "/spec/jobTemplate/spec/selector")),
        ]
    },
};

pub(super) static AUTOSCALER: Printer = Printer {
    columns: &[
        NAME,
        column("Reference", "What is scaled."),
        column("Targets", "Each metric as it is, and as it should be."),
        column("MinPods", "Fewest pods."),
        column("MaxPods", "Most pods."),
        column("Replicas", "Pods there are."),
        AGE,
    ],
    cells: |row| {
        let minimum =
            integer(row.object, "/spec/minReplicas").map_or_else(|| "<unset>".into(), |least| least.to_string());
        let target = format!("{}/{}", row.text("/spec/scaleTargetRef/kind"), row.text("/spec/scaleTargetRef/name"));
        vec![
            row.name(),
            json!(target),
            json!(metrics(row)),
            json!(minimum),
            json!(row.number("/spec/maxReplicas")),
            json!(row.number("/status/currentReplicas")),
            row.age(),
        ]
    },
};

/// How many metrics are shown.
const MAX_METRICS: usize = 2;

fn metrics(row: &Row) -> String {
    let current = row.list("/status/currentMetrics");
    let all: Vec<_> = row
        .list("/spec/metrics")
        .iter()
        .enumerate()
        .map(|(index, metric)| target(metric, current.get(index)))
        .collect();
    match all.len() {
        0 => "<none>".into(),
        1..=MAX_METRICS => all.join(", "),
        more => format!("{} + {} more...", all[..MAX_METRICS].join(", "), more - MAX_METRICS),
    }
}

fn target(metric: &Value, current: Option<&Value>) -> String {
    let (source, prefix) = match text(metric, "/type") {
        "Resource" => ("resource", format!("{}: ", text(metric, "/resource/name"))),
        "ContainerResource" => ("containerResource", format!("{}: ", text(metric, "/containerResource/name"))),
        "Pods" => ("pods", String::new()),
        "Object" => ("object", String::new()),
        "External" => ("external", String::new()),
        _ => return "<unknown type>".into(),
    };
    let now = |field: &str| current.and_then(|metric| metric.pointer(&format!("/{source}/current/{field}")));
    let wanted = |field: &str| metric.pointer(&format!("/{source}/target/{field}"));
    let shown = |field: &str, unit: &str, suffix: &str| {
        let is = now(field).map_or_else(|| "<unknown>".into(), |value| format!("{}{unit}", plain(value)));
        let should = wanted(field).map_or_else(|| "<auto>".into(), |value| format!("{}{unit}", plain(value)));
        format!("{prefix}{is}/{should}{suffix}")
    };
    if wanted("averageUtilization").is_some() {
        return shown("averageUtilization", "%", "");
    }
    match (wanted("averageValue"), source) {
        (Some(_), "object" | "external") => shown("averageValue", "", " (avg)"),
        (Some(_), _) => shown("averageValue", "", ""),
        (None, "resource" | "containerResource") => shown("averageUtilization", "%", ""),
        (None, _) => shown("value", "", ""),
    }
}

pub(super) static DISRUPTION_BUDGET: Printer = Printer {
    columns: &[
        NAME,
        column("Min Available", "How many pods must stay available."),
        column("Max Unavailable", "How many pods may be unavailable."),
        count("Allowed Disruptions", "How many pods may go now."),
        AGE,
    ],
    cells: |row| {
        let limit = |pointer: &str| match row.object.pointer(pointer) {
            Some(limit) if has(row.object, pointer) => plain(limit),
            _ => "N/A".into(),
        };
        vec![
            row.name(),
            json!(limit("/spec/minAvailable")),
            json!(limit("/spec/maxUnavailable")),
            json!(row.number("/status/disruptionsAllowed")),
            row.age(),
        ]
    },
};

pub(super) static CONTROLLER_REVISION: Printer = Printer {
    columns: &[NAME, column("Controller", "Whose history it is part of."), count("Revision", "Its number."), AGE],
    cells: |row| {
        let owner = list(row.object, "/metadata/ownerReferences").iter().find(|owner| is_true(owner, "/controller"));
        let owner = owner.map_or_else(
            || "<none>".into(),
            |owner| {
                let (group, _) = text(owner, "/apiVersion").rsplit_once('/').unwrap_or_default();
                let kind = joined(
                    [text(owner, "/kind").to_lowercase(), group.into()].into_iter().filter(|it| !it.is_empty()),
                    ".",
                );
                format!("{kind}/{}", text(owner, "/name"))
            },
        );
        vec![row.name(), json!(owner), json!(row.number("/revision")), row.age()]
    },
};

#[cfg(test)]
mod tests {
    use super::super::tests::case;
    use serde_json::{Value, json};

    fn workload(mut spec: Value, status: Value) -> Value {
        spec["template"] =
            json!({"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]}});
        spec["selector"] = json!({"matchLabels": {"app": "web"}});
        json!({"metadata": {}, "spec": spec, "status": status})
    }

    #[test]
    fn workloads_count_their_pods() {
        let deployment =
            workload(json!({"replicas": 3}), json!({"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}));
        case("Deployment", deployment, json!(["x", "1/3", 2, 1, "5m", "a,b", "i:1,j:2", "app=web"]));
        let set = workload(json!({"replicas": 3}), json!({"replicas": 2}));
        case("ReplicaSet", set, json!(["x", 3, 2, 0, "5m", "a,b", "i:1,j:2", "app=web"]));
        let set = workload(json!({"replicas": 3}), json!({"readyReplicas": 2}));
        case("StatefulSet", set, json!(["x", "2/3", "5m", "a,b", "i:1,j:2"]));
        let set = workload(json!({}), json!({"desiredNumberScheduled": 2, "numberReady": 1}));
        case("DaemonSet", set, json!(["x", 2, 0, 1, 0, 0, "<none>", "5m", "a,b", "i:1,j:2", "app=web"]));
    }

    #[test]
    fn jobs_tell_how_far_they_are() {
        let job = workload(json!({"completions": 1}), json!({"startTime": "2026-01-01T00:56:00Z"}));
        case("Job", job, json!(["x", "Running", "0/1", "4m", "5m", "a,b", "i:1,j:2", "app=web"]));
        let done = json!({"succeeded": 1, "startTime": "2026-01-01T00:56:00Z", "completionTime": "2026-01-01T00:56:05Z",
            "conditions": [{"type": "Complete", "status": "True"}]});
        case(
            "Job",
            workload(json!({"completions": 1}), done),
            json!(["x", "Complete", "1/1", "5s", "5m", "a,b", "i:1,j:2", "app=web"]),
        );
    }

    #[test]
    fn autoscalers_show_what_is_and_what_should_be() {
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}});
        let spec = json!({"minReplicas": 1, "maxReplicas": 3, "metrics": [metric], "scaleTargetRef": {"kind": "Deployment", "name": "w"}});
        let unknown = json!({"metadata": {}, "spec": spec});
        case("HorizontalPodAutoscaler", unknown, json!(["x", "Deployment/w", "cpu: <unknown>/60%", "1", 3, 0, "5m"]));
        let status = json!({"currentReplicas": 2, "currentMetrics": [{"type": "Resource", "resource": {"current": {"averageUtilization": 12}}}]});
        let known = json!({"metadata": {}, "spec": spec, "status": status});
        case("HorizontalPodAutoscaler", known, json!(["x", "Deployment/w", "cpu: 12%/60%", "1", 3, 2, "5m"]));
    }

    #[test]
    fn budgets_and_revisions() {
        case(
            "PodDisruptionBudget",
            json!({"metadata": {}, "spec": {"minAvailable": "50%"}}),
            json!(["x", "50%", "N/A", 0, "5m"]),
        );
        let owner = json!({"kind": "StatefulSet", "apiVersion": "apps/v1", "name": "db", "controller": true});
        let revision = json!({"metadata": {"ownerReferences": [owner]}, "revision": 2});
        case("ControllerRevision", revision, json!(["x", "statefulset.apps/db", 2, "5m"]));
    }
}
