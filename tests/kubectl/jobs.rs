//! Jobs, cron jobs and autoscalers.

use crate::{
    cluster::Cluster,
    support::{contains, in_order, squeezed, within_seconds},
};

const CRON: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: '0 0 1 1 *'
  jobTemplate:
    spec:
      backoffLimit: 2
      template:
        metadata: {labels: {app: tick}}
        spec:
          restartPolicy: OnFailure
          containers:
            - name: tick
              image: busybox:1
              command: [date]
              env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: a, optional: true}}}]
              resources: {requests: {cpu: 10m}}
              volumeMounts: [{name: scratch, mountPath: /scratch}]
          volumes: [{name: scratch, emptyDir: {}}]
";

#[test]
fn work_ends_and_replicas_follow_the_load() {
    let c = Cluster::empty();
    jobs(&c);
    cron_jobs(&c);
    autoscalers(&c);
}

fn jobs(c: &Cluster) {
    c.kubectl("create job hello --image=busybox:1 -- echo hi").ok();
    contains(&c.kubectl("wait --for=condition=complete job/hello --timeout=30s").ok(), "job.batch/hello condition met");
    contains(&squeezed(&c.kubectl("get job hello").ok()), "hello Complete 1/1");
    contains(&squeezed(&c.kubectl("get pods -l job-name=hello").ok()), "0/1 Completed 0");
    in_order(
        &squeezed(&c.kubectl("describe job hello").ok()),
        &["0 Active (0 Ready) / 1 Succeeded / 0 Failed", "Created pod: hello-", "Job completed"],
    );
    contains(&c.kubectl("logs job/hello").ok(), "done");
    c.apply(
        "{apiVersion: batch/v1, kind: Job, metadata: {name: many}, spec: {completions: 5, parallelism: 2, template: \
         {spec: {restartPolicy: Never, containers: [{name: c, image: 'busybox:1'}]}}}}",
    );
    c.kubectl("wait --for=condition=complete job/many --timeout=30s").ok();
    contains(&squeezed(&c.kubectl("get job many").ok()), "many Complete 5/5");
    c.kubectl("delete job many hello").ok();
    within_seconds(10, || c.kubectl("get pods").stderr.contains("No resources found").then_some(()));
}

fn cron_jobs(c: &Cluster) {
    c.apply(CRON);
    contains(&squeezed(&c.kubectl("get cronjob tick").ok()), "tick 0 0 1 1 * <none> False 0 <none>");
    assert_eq!(c.kubectl("create job by-hand --from=cronjob/tick").ok(), "job.batch/by-hand created\n");
    c.kubectl("wait --for=condition=complete job/by-hand --timeout=30s").ok();
    let job = c.json("get job by-hand");
    assert_eq!(job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"], "manual");
    assert_eq!(job["metadata"]["ownerReferences"][0]["name"], "tick");
    let (made, asked) = (
        &job["spec"]["template"]["spec"],
        &c.json("get cronjob tick")["spec"]["jobTemplate"]["spec"]["template"]["spec"],
    );
    assert_eq!(made, asked);
    c.kubectl(r#"patch cronjob tick -p '{"spec":{"suspend":true}}'"#).ok();
    contains(&squeezed(&c.kubectl("get cronjob tick").ok()), "tick 0 0 1 1 * <none> True 0");
    c.kubectl("delete cronjob tick").ok();
    within_seconds(10, || c.kubectl("get jobs").stderr.contains("No resources found").then_some(()));
}

fn autoscalers(c: &Cluster) {
    c.kubectl("create deployment web --image=nginx:1 --replicas=1").ok();
    c.kubectl("autoscale deploy web --min=2 --max=4 --cpu-percent=50").ok();
    within_seconds(20, || {
        squeezed(&c.kubectl("get hpa web").ok()).contains("web Deployment/web cpu: <unknown>/50% 2 4").then_some(())
    });
    within_seconds(20, || {
        let described = squeezed(&c.kubectl("describe hpa web").ok());
        let cause = "failed to get cpu utilization: missing request for cpu in container nginx of Pod web-";
        (described.contains(cause) && described.contains("Warning FailedGetResourceMetric")).then_some(())
    });
    c.kubectl("set resources deploy web --requests=cpu=100m").ok();
    within_seconds(30, || squeezed(&c.kubectl("get hpa web").ok()).contains("cpu: 10%/50% 2 4 2").then_some(()));
    c.kubectl("scale deploy web --replicas=9").ok();
    c.kubectl("wait --for=jsonpath={.spec.replicas}=4 deploy/web --timeout=40s").ok();
    contains(&c.kubectl("describe hpa web").ok(), "SuccessfulRescale");
}
