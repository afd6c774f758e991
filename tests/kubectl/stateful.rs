//! StatefulSets and their volumes.

use crate::{
    cluster::Cluster,
    support::{contains, squeezed, within_seconds},
};

const DATABASE: &str = "
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
        - {name: db, image: 'postgres:15-alpine', ports: [{containerPort: 5432}], volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

#[test]
fn a_stateful_set_keeps_order_and_volumes() {
    let c = Cluster::empty();
    let watch = c.watch("get events -w --no-headers");
    c.apply(DATABASE);
    rolled_out(&c);
    let order = pod_events(&watch.until(|text| pod_events(text).len() >= 3));
    assert_eq!(order, ["create 0", "create 1", "create 2"]);
    shrinks_from_the_end(&c);
    updates_from_the_end(&c);
    volumes_outlive_it(&c);
    a_claim_waits_for_its_pod(&c);
}

fn rolled_out(c: &Cluster) {
    let done = c.kubectl("rollout status sts/db --timeout=60s").ok();
    contains(&done, "partitioned roll out complete: 3 new pods have been updated...");
}

/// The pods that the controller says it made and deleted, in order.
fn pod_events(events: &str) -> Vec<String> {
    let said = events.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let place = words.iter().position(|word| *word == "Pod").filter(|place| words[place - 1] != "Claim")?;
        let verb = *words.get(place - 1).filter(|verb| ["create", "delete"].contains(verb))?;
        Some(format!("{verb} {}", words[place + 1].strip_prefix("db-")?))
    });
    said.collect()
}

fn shrinks_from_the_end(c: &Cluster) {
    let watch = c.watch("get pods -w --no-headers");
    c.kubectl("scale sts db --replicas=1").ok();
    c.kubectl("wait --for=delete pod/db-1 --timeout=30s").ok();
    let ended = |text: &str| -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for line in text.lines().filter(|line| line.contains("Terminating")) {
            let name = line.split_whitespace().next().unwrap().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    assert_eq!(ended(&watch.until(|text| ended(text).len() == 2)), ["db-2", "db-1"]);
    assert_eq!(c.json("get pvc")["items"].as_array().unwrap().len(), 3);
    c.kubectl("scale sts db --replicas=3").ok();
    rolled_out(c);
}

fn updates_from_the_end(c: &Cluster) {
    let uid = |pod: &str| c.kubectl(&format!("get pod {pod} -o jsonpath={{.metadata.uid}}")).ok();
    let before = (uid("db-0"), uid("db-2"));
    c.kubectl(r#"patch sts db -p '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}}}}'"#).ok();
    c.kubectl("set image sts/db db=postgres:16-alpine").ok();
    contains(&c.kubectl("rollout status sts/db --timeout=30s").ok(), "1 new pods have been updated");
    assert!(uid("db-0") == before.0 && uid("db-2") != before.1);
    c.kubectl(r#"patch sts db -p '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}'"#).ok();
    rolled_out(c);
    assert!(uid("db-0") != before.0);
    c.kubectl("rollout undo sts/db").ok();
    rolled_out(c);
    let image = c.kubectl("get pod db-0 -o jsonpath={.spec.containers[0].image}").ok();
    assert_eq!(image, "postgres:15-alpine");
    let refused = c.kubectl(r#"patch sts db -p '{"spec":{"serviceName":"other"}}'"#).err();
    contains(
        &refused,
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy'",
    );
}

fn volumes_outlive_it(c: &Cluster) {
    let volume = || c.kubectl("get pvc data-db-0 -o jsonpath={.spec.volumeName}").ok();
    let before = volume();
    c.kubectl("delete sts db --cascade=orphan").ok();
    assert_eq!(c.json("get pods -l app=db")["items"].as_array().unwrap().len(), 3);
    c.apply(DATABASE);
    rolled_out(c);
    c.kubectl("delete sts db").ok();
    c.kubectl("wait --for=delete pod -l app=db --timeout=30s").ok();
    assert_eq!(volume(), before);
    c.apply(DATABASE);
    rolled_out(c);
    assert_eq!(volume(), before);
    c.kubectl("delete -f applied.yaml").ok();
    c.kubectl("delete pvc --all --timeout=30s").ok();
    within_seconds(10, || c.kubectl("get pv").stderr.contains("No resources found").then_some(()));
}

fn a_claim_waits_for_its_pod(c: &Cluster) {
    c.apply(
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: late}, spec: {accessModes: [ReadWriteOnce], \
         resources: {requests: {storage: 5Mi}}}}",
    );
    within_seconds(10, || c.kubectl("describe pvc late").ok().contains("WaitForFirstConsumer").then_some(()));
    contains(&squeezed(&c.kubectl("get pvc late").ok()), "late Pending local-path");
    c.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: user}, spec: {containers: [{name: c, image: 'busybox:1'}], \
         volumes: [{name: v, persistentVolumeClaim: {claimName: late}}]}}",
    );
    c.kubectl("wait --for=jsonpath={.status.phase}=Bound pvc/late --timeout=30s").ok();
    c.kubectl("wait --for=condition=Ready pod/user --timeout=30s").ok();
    c.kubectl("delete pvc late --wait=false").ok();
    contains(&squeezed(&c.kubectl("get pvc late").ok()), "late Terminating");
    c.kubectl("delete pod user").ok();
    c.kubectl("wait --for=delete pvc/late --timeout=30s").ok();
}
