//! Deployments as they move.

use crate::{
    cluster::Cluster,
    support::{contains, in_order, squeezed, within_seconds},
};

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: nginx:1.27
          ports: [{containerPort: 80}]
          readinessProbe: {httpGet: {path: /, port: 80}}
";

fn image(c: &Cluster) -> String {
    c.kubectl("get deploy web -o jsonpath={.spec.template.spec.containers[0].image}").ok()
}

fn rolled_out(c: &Cluster) {
    contains(&c.kubectl("rollout status deploy/web --timeout=60s").ok(), "deployment \"web\" successfully rolled out");
}

#[test]
fn a_deployment_rolls_back_and_forth() {
    let c = Cluster::empty();
    assert_eq!(c.apply(WEB), "deployment.apps/web created\n");
    rolled_out(&c);
    stays_available(&c);
    history(&c);
    pauses(&c);
    waits(&c);
    services(&c);
    orphans(&c);
}

/// Rolls to another image and looks at every state that a watch shows.
fn stays_available(c: &Cluster) {
    let watch = c.watch("get deploy web -w --no-headers");
    contains(&c.kubectl("set image deploy/web web=nginx:1.28").ok(), "deployment.apps/web image updated");
    rolled_out(c);
    let states = watch.until(|text| squeezed(text).lines().filter(|line| line.starts_with("web 4/4 4 4")).count() > 1);
    for state in states.lines() {
        let available: u32 = state.split_whitespace().nth(3).unwrap().parse().unwrap();
        assert!((3..=5).contains(&available), "{states}");
    }
    assert!(states.lines().count() > 5, "{states}");
}

fn history(c: &Cluster) {
    c.kubectl("annotate deploy web kubernetes.io/change-cause='to 1.28'").ok();
    within_seconds(10, || {
        let history = squeezed(&c.kubectl("rollout history deploy/web").ok());
        history.contains("1 <none>\n2 to 1.28").then_some(())
    });
    contains(&c.kubectl("rollout history deploy/web --revision=1").ok(), "nginx:1.27");
    contains(&c.kubectl("rollout undo deploy/web").ok(), "deployment.apps/web rolled back");
    rolled_out(c);
    assert_eq!(image(c), "nginx:1.27");
    c.kubectl("rollout undo deploy/web --to-revision=2").ok();
    rolled_out(c);
    assert_eq!(image(c), "nginx:1.28");
    c.kubectl("rollout restart deploy/web").ok();
    rolled_out(c);
    let described = squeezed(&c.kubectl("describe deploy web").ok());
    in_order(&described, &["4 desired | 4 updated | 4 total | 4 available | 0 unavailable", "NewReplicaSetAvailable"]);
    contains(
        &c.kubectl("rollout undo deploy/web --to-revision=99").err(),
        "unable to find specified revision 99 in history",
    );
}

fn pauses(c: &Cluster) {
    c.kubectl("rollout pause deploy/web").ok();
    c.kubectl("set image deploy/web web=nginx:1.29").ok();
    let waiting = c.kubectl("rollout status deploy/web --timeout=1s");
    contains(&waiting.stdout, "0 out of 4 new replicas have been updated");
    contains(&waiting.err(), "error: timed out waiting for the condition");
    contains(
        &c.kubectl("rollout restart deploy/web").err(),
        "can't restart paused deployment (run rollout resume first)",
    );
    c.kubectl("rollout resume deploy/web").ok();
    rolled_out(c);
}

fn waits(c: &Cluster) {
    contains(&c.kubectl("wait --for=condition=Available deploy/web").ok(), "deployment.apps/web condition met");
    c.kubectl("scale deploy web --replicas=2").ok();
    c.kubectl("wait --for=jsonpath={.status.replicas}=2 deploy/web --timeout=30s").ok();
    let late = c.kubectl("wait --for=condition=Available=False deploy/web --timeout=1s").err();
    contains(&late, "error: timed out waiting for the condition on deployments/web");
    let pod = c.kubectl("get pods -l app=web -o jsonpath={.items[0].metadata.name}").ok();
    let gone = c.command(&format!("wait --for=delete pod/{pod} --timeout=30s")).spawn().unwrap();
    c.kubectl(&format!("delete pod {pod}")).ok();
    assert!(gone.wait_with_output().unwrap().status.success());
    rolled_out(c);
}

/// A Service's addresses follow the pods that are ready.
fn services(c: &Cluster) {
    contains(&c.kubectl("expose deploy web --port=80").ok(), "service/web exposed");
    let addresses = || {
        let slices = c.json("get endpointslices -l kubernetes.io/service-name=web");
        let endpoints = slices["items"][0]["endpoints"].as_array().cloned().unwrap_or_default();
        endpoints.iter().filter(|endpoint| endpoint["conditions"]["ready"] == true).count()
    };
    within_seconds(10, || (addresses() == 2).then_some(()));
    c.kubectl("scale deploy web --replicas=3").ok();
    rolled_out(c);
    within_seconds(10, || (addresses() == 3).then_some(()));

    c.kubectl("scale deploy web --replicas=0").ok();
    within_seconds(10, || (addresses() == 0).then_some(()));
    contains(&squeezed(&c.kubectl("get endpointslices -l kubernetes.io/service-name=web").ok()), "<unset>");
}

/// What outlives its owner is taken over by the next one.
fn orphans(c: &Cluster) {
    c.kubectl("delete deploy web").ok();
    c.apply(WEB);
    rolled_out(c);
    let sets = || c.json("get rs -l app=web")["items"].as_array().unwrap().len();
    let pods = || c.kubectl("get pods -l app=web -o name").ok();
    let (before, sets_before) = (pods(), sets());
    c.kubectl("delete deploy web --cascade=orphan").ok();
    assert_eq!((pods(), sets()), (before.clone(), sets_before));
    c.apply(WEB);
    rolled_out(c);
    assert_eq!((pods(), sets()), (before, sets_before));
    c.kubectl("delete deploy web --cascade=foreground").ok();
    contains(&c.kubectl("get rs,pods -l app=web").stderr, "No resources found in default namespace.");
}
