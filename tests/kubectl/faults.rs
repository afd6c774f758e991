//! Ordered faults, as kubectl shows them.

use crate::{
    cluster::Cluster,
    support::{contains, in_order, squeezed, within_seconds},
};

#[test]
fn faults_look_as_on_a_real_cluster() {
    let c = Cluster::with_shipped_stack("image-pull = [\"api-gateway\"]\ncrash-loop = [\"billing-app\"]");
    c.orchestrator("create").err();
    an_image_that_cannot_be_pulled(&c);
    a_container_that_crashes(&c);
}

fn an_image_that_cannot_be_pulled(c: &Cluster) {
    let row = || squeezed(&c.kubectl("get pods -n microservices -l app=api-gateway").ok());
    within_seconds(20, || row().contains(" 0/1 ImagePullBackOff 0 ").then_some(()));
    let described = squeezed(&c.kubectl("describe pods -n microservices -l app=api-gateway").ok());
    in_order(
        &described,
        &[
            "State: Waiting",
            "Reason: ImagePullBackOff",
            "Ready False",
            "Successfully assigned",
            "Pulling image \"api-gateway:rehearsal\"",
            "Failed to pull image \"api-gateway:rehearsal\": ",
            "Error: ErrImagePull",
            "Back-off pulling image \"api-gateway:rehearsal\"",
            "Error: ImagePullBackOff",
        ],
    );
    let log = c.kubectl("logs -n microservices deploy/api-gateway").err();
    contains(&log, "is waiting to start: trying and failing to pull image");
    let status = c.kubectl("rollout status -n microservices deploy/api-gateway --timeout=1s");
    contains(&status.stdout, "0 of 1 updated replicas are available...");
    status.err();
    contains(&squeezed(&c.kubectl("get deploy -n microservices api-gateway").ok()), "api-gateway 0/1 1 0");
    let slices = c.json("get endpointslices -n microservices -l kubernetes.io/service-name=api-gateway");
    assert_ne!(slices["items"][0]["endpoints"][0]["conditions"]["ready"], true);
}

fn a_container_that_crashes(c: &Cluster) {
    let restarts = || {
        c.json("get pod -n microservices billing-app-0")["status"]["containerStatuses"][0]["restartCount"]
            .as_i64()
            .unwrap()
    };
    let before = restarts();
    within_seconds(60, || (restarts() > before.max(1)).then_some(()));
    within_seconds(20, || {
        squeezed(&c.kubectl("get pod -n microservices billing-app-0").ok())
            .contains("billing-app-0 0/1 CrashLoopBackOff ")
            .then_some(())
    });
    let described = squeezed(&c.kubectl("describe pod -n microservices billing-app-0").ok());
    in_order(
        &described,
        &[
            "Reason: CrashLoopBackOff",
            "Last State: Terminated",
            "Exit Code: 1",
            "BackOff",
            "Back-off restarting failed container billing-app in pod billing-app-0_microservices(",
        ],
    );
    contains(&c.kubectl("logs -n microservices billing-app-0 --previous").ok(), "exiting with code 1");
}
