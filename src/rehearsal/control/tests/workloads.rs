//! Each workload controller's main road.

use serde_json::{Value, json};

use super::super::{
    condition,
    testing::{Cluster, template, workload},
};
use crate::rehearsal::faults::Faults;

fn available(cluster: &Cluster, name: &str) -> bool {
    let status = &cluster.get("Deployment", name)["status"];
    condition::holds(status, "Available") && condition::get(status, "Progressing")["reason"] == "NewReplicaSetAvailable"
}

#[test]
fn a_deployment_rolls_to_a_new_template_and_back() {
    let cluster = Cluster::new(Faults::default());
    cluster.create("Deployment", "web", workload("web", 3));
    cluster.until("three ready pods", || cluster.ready_pods("web") == 3 && available(&cluster, "web"));
    let first = cluster.get("Deployment", "web");
    assert_eq!(first["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(first["status"]["observedGeneration"], 1);

    cluster.change("Deployment", "web", |value| {
        value["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
    });
    let images = |image: &str| {
        let pods = cluster.pods("web");
        pods.len() == 3 && pods.iter().all(|pod| pod["spec"]["containers"][0]["image"] == image)
    };
    cluster.until("the rollout", || images("web:2") && available(&cluster, "web"));
    assert_eq!(cluster.list("ReplicaSet").len(), 2);
    assert!(cluster.told("Deployment/web ScalingReplicaSet: Scaled up replica set web-"));

    cluster.change("Deployment", "web", |value| value["spec"]["template"] = first["spec"]["template"].clone());
    cluster.until("the roll back", || images("web:1") && cluster.ready_pods("web") == 3);
    let revision =
        || cluster.get("Deployment", "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone();
    assert_eq!(revision(), "3");
    cluster.change("Deployment", "web", |value| value["spec"]["replicas"] = json!(0));
    cluster.until("no pods", || cluster.pods("web").is_empty());
}

#[test]
fn a_running_pod_looks_real() {
    let cluster = Cluster::new(Faults::default());
    cluster.create("Deployment", "web", workload("web", 1));
    cluster.until("a ready pod", || cluster.ready_pods("web") == 1);
    let pod = cluster.pods("web").remove(0);
    let status = &pod["status"]["containerStatuses"][0];
    assert!(status["containerID"].as_str().unwrap().starts_with("containerd://"));
    assert_eq!(status["image"], "docker.io/library/web:1");
    assert_eq!(
        (&status["ready"], &status["started"], &status["restartCount"]),
        (&json!(true), &json!(true), &json!(0))
    );
    assert!(pod["status"]["podIP"].as_str().unwrap().starts_with("10.42."));
    assert_eq!(pod["status"]["qosClass"], "BestEffort");
    for told in [
        "Scheduled: Successfully assigned default/web-",
        "Pulling: Pulling image \"web:1\"",
        "Pulled: ",
        "Created: Created container: web",
        "Started: Started container web",
    ] {
        cluster.until(told, || cluster.told(told));
    }
}

#[test]
fn a_stateful_set_starts_in_order_and_ends_in_reverse() {
    let cluster = Cluster::new(Faults { not_ready: vec!["db-1".into()], ..Faults::default() });
    cluster.create("StatefulSet", "db", workload("db", 3));
    let names = || {
        cluster.pods("db").iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    cluster.until("the second pod", || names() == ["db-0", "db-1"]);
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(names(), ["db-0", "db-1"]);
    cluster.world.set_faults(Faults::default());
    cluster.until("all pods", || cluster.ready_pods("db") == 3);
    assert_eq!(cluster.get("Pod", "db-2")["metadata"]["labels"]["apps.kubernetes.io/pod-index"], "2");
    cluster.until("a complete status", || cluster.get("StatefulSet", "db")["status"]["currentReplicas"] == 3);

    cluster.change("StatefulSet", "db", |value| {
        value["spec"]["template"]["spec"]["containers"][0]["image"] = json!("db:2");
    });
    let updated = || cluster.pods("db").iter().filter(|pod| pod["spec"]["containers"][0]["image"] == "db:2").count();
    cluster.until("the rollout", || updated() == 3 && cluster.ready_pods("db") == 3);
    let status = || cluster.get("StatefulSet", "db")["status"].clone();
    cluster.until("one revision", || status()["currentRevision"] == status()["updateRevision"]);
    assert_eq!(cluster.list("ControllerRevision").len(), 2);
    cluster.change("StatefulSet", "db", |value| value["spec"]["replicas"] = json!(1));
    cluster.until("one pod", || names() == ["db-0"]);
}

#[test]
fn a_daemon_set_has_one_pod_on_each_node() {
    let cluster = Cluster::new(Faults::default());
    cluster.create("DaemonSet", "agent", workload("agent", 0));
    cluster.until("two pods", || cluster.ready_pods("agent") == 2);
    cluster.until("its status", || cluster.get("DaemonSet", "agent")["status"]["numberReady"] == 2);
    let mut nodes: Vec<_> = cluster.pods("agent").iter().map(|pod| pod["spec"]["nodeName"].to_string()).collect();
    nodes.sort();
    assert_eq!(nodes, ["\"agent-1\"", "\"server-1\""]);
}

fn job(app: &str, completions: i64) -> Value {
    let mut template = template(app, "busybox:1");
    template["spec"]["restartPolicy"] = json!("Never");
    json!({"spec": {"completions": completions, "parallelism": 2, "backoffLimit": 1, "template": template}, "status": {}})
}

#[test]
fn a_job_completes_and_one_that_crashes_fails() {
    let cluster = Cluster::new(Faults { crash_loop: vec!["bad".into()], ..Faults::default() });
    cluster.create("Job", "good", job("good", 3));
    cluster.create("Job", "bad", job("bad", 1));
    cluster.until("completion", || condition::holds(&cluster.get("Job", "good")["status"], "Complete"));
    assert_eq!(cluster.get("Job", "good")["status"]["succeeded"], 3);
    cluster.until("failure", || condition::holds(&cluster.get("Job", "bad")["status"], "Failed"));
    assert_eq!(condition::get(&cluster.get("Job", "bad")["status"], "Failed")["reason"], "BackoffLimitExceeded");
}

#[test]
fn a_cron_job_that_is_due_starts_a_job() {
    let cluster = Cluster::new(Faults::default());
    let spec =
        json!({"schedule": "* * * * *", "jobTemplate": {"spec": job("tick", 1)["spec"]}, "concurrencyPolicy": "Allow"});
    let past = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - 90).unwrap().to_string();
    cluster.create("CronJob", "tick", json!({"spec": spec, "status": {"lastScheduleTime": past}}));
    cluster.until("a job", || !cluster.list("Job").is_empty());
    cluster.until("success", || cluster.get("CronJob", "tick")["status"]["lastSuccessfulTime"].is_string());
}

#[test]
fn an_autoscaler_measures_its_target_and_keeps_it_within_its_bounds() {
    let cluster = Cluster::new(Faults::default());
    let mut web = workload("web", 1);
    web["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}});
    cluster.create("Deployment", "web", web);
    cluster.create("HorizontalPodAutoscaler", "web", json!({"spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}],
    }, "status": {}}));
    cluster.until("two pods", || cluster.ready_pods("web") == 2);
    let status = || cluster.get("HorizontalPodAutoscaler", "web")["status"].clone();
    cluster.until("a measurement", || condition::holds(&status(), "ScalingActive"));
    assert_eq!(status()["currentMetrics"][0]["resource"]["current"]["averageUtilization"], 10);
}

#[test]
fn a_service_and_a_budget_count_the_ready_pods() {
    let cluster = Cluster::new(Faults::default());
    cluster.create("Service", "web", json!({"spec": {
        "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}], "clusterIP": "10.43.1.1",
    }}));
    cluster.create(
        "PodDisruptionBudget",
        "web",
        json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}, "status": {}}),
    );
    cluster.create("Deployment", "web", workload("web", 2));
    cluster.until("endpoints", || {
        let slices = cluster.list("EndpointSlice");
        let slice = slices.iter().find(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == "web");
        slice.is_some_and(|slice| {
            slice["endpoints"]
                .as_array()
                .is_some_and(|list| list.iter().filter(|one| one["conditions"]["ready"] == true).count() == 2)
        })
    });
    cluster.until("the old endpoints", || {
        cluster.get("Endpoints", "web")["subsets"][0]["addresses"].as_array().map(Vec::len) == Some(2)
    });
    cluster.until("the budget", || cluster.get("PodDisruptionBudget", "web")["status"]["disruptionsAllowed"] == 1);
}
