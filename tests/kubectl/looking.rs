//! Commands that only look, on the shipped stack.

use crate::{
    cluster::Cluster,
    support::{contains, in_order, squeezed, within_seconds},
};

#[test]
fn looking_at_the_shipped_stack() {
    let c = Cluster::shipped();
    tables(&c);
    formats(&c);
    descriptions(&c);
    events(&c);
    logs(&c);
    explanations(&c);
    nothing_runs(&c);
}

fn tables(c: &Cluster) {
    let autoscalers = || squeezed(&c.kubectl("get hpa -A").ok());
    within_seconds(20, || (!autoscalers().contains("<unknown>")).then_some(()));
    let all = squeezed(&c.kubectl("get all -A").ok());
    for row in [
        "NAMESPACE NAME READY STATUS RESTARTS AGE",
        "microservices pod/billing-app-0 1/1 Running 0",
        "NAMESPACE NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE",
        "microservices service/billing-app ClusterIP None <none> 8080/TCP",
        "microservices deployment.apps/api-gateway 1/1 1 1",
        "microservices statefulset.apps/billing-database 1/1",
        "Deployment/api-gateway cpu: 10%/60% 1 3 1",
    ] {
        contains(&all, row);
    }
    let nodes = squeezed(&c.kubectl("get nodes -o wide").ok());
    contains(&nodes, "microservices-server-1 Ready control-plane,master");
    contains(&nodes, "rehearsal (no container runs)");
    let wide = squeezed(&c.kubectl("get pods -n microservices -o wide").ok());
    contains(&wide, "billing-app-0 1/1 Running 0");
    contains(&wide, "-1 <none> <none>");
    contains(&squeezed(&c.kubectl("get pvc -n microservices").ok()), "data-billing-database-0 Bound pvc-");
    contains(&squeezed(&c.kubectl("get pv").ok()), "1Gi RWO Delete Bound microservices/");
    contains(
        &squeezed(&c.kubectl("get sc").ok()),
        "local-path (default) rancher.io/local-path Delete WaitForFirstConsumer false",
    );
    contains(&squeezed(&c.kubectl("get pdb -n microservices").ok()), "api-gateway N/A 1 1");
    let endpoints = c.kubectl("get endpoints -n microservices");
    contains(&endpoints.stderr, "Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
    contains(&c.kubectl("api-resources --namespaced=false").ok(), "persistentvolumes");
    contains(&c.kubectl("cluster-info").ok(), "CoreDNS");
    contains(&squeezed(&c.kubectl("get pc").ok()), "system-node-critical 2000001000 false");
}

fn formats(c: &Cluster) {
    let spaced = |line: &str| c.kubectl(&format!("get -n microservices {line}")).ok();
    assert_eq!(
        spaced("deploy api-gateway -o jsonpath={.spec.template.spec.containers[0].ports[0].containerPort}"),
        "3000"
    );
    contains(&spaced("sts billing-app -o yaml"), "serviceName: billing-app");
    contains(&spaced("pods --sort-by=.metadata.name -o name"), "pod/billing-app-0\n");
    contains(&squeezed(&spaced("pods -o custom-columns=N:.metadata.name,P:.status.phase")), "billing-app-0 Running");
    let node = spaced("pods -l app=rabbitmq -o jsonpath={.items[0].spec.nodeName}");
    let there = format!("pods --field-selector=status.phase=Running,spec.nodeName={node} -o name");
    contains(&spaced(&there), "rabbitmq");
    assert_eq!(c.json("get pods -n microservices -l app=rabbitmq")["items"].as_array().unwrap().len(), 1);
    let ca = c.kubectl("get configmap kube-root-ca.crt -o jsonpath={.data}").ok();
    contains(&ca, "BEGIN CERTIFICATE");
}

fn descriptions(c: &Cluster) {
    let describe = |what: &str| squeezed(&c.kubectl(&format!("describe -n microservices {what}")).ok());
    in_order(
        &describe("pod rabbitmq"),
        &[
            "Controlled By: ReplicaSet/rabbitmq-",
            "Conditions:",
            "PodReadyToStartContainers True",
            "PodScheduled True",
            "Claim",
            "QoS Class: Burstable",
        ],
    );
    in_order(
        &describe("pod billing-app-0"),
        &[
            "Events:",
            "Scheduled",
            "Successfully assigned microservices/billing-app-0",
            "Pulled",
            "Created container: billing-app",
            "Started container billing-app",
        ],
    );
    in_order(
        &describe("deployment api-gateway"),
        &[
            "1 desired | 1 updated | 1 total | 1 available | 0 unavailable",
            "MinimumReplicasAvailable",
            "NewReplicaSet: api-gateway-",
            "(1/1 replicas created)",
            "ScalingReplicaSet",
            "from 0 to 1",
        ],
    );
    in_order(
        &describe("statefulset billing-database"),
        &[
            "1 Running / 0 Waiting",
            "Volume Claims:",
            "create Claim data-billing-database-0",
            "create Pod billing-database-0",
        ],
    );
    in_order(&describe("service api-gateway"), &["NodePort: http 30000/TCP", "Endpoints: 10.42."]);
    in_order(
        &describe("pvc data-billing-database-0"),
        &[
            "Status: Bound",
            "volume.kubernetes.io/storage-provisioner: rancher.io/local-path",
            "Used By: billing-database-0",
            "Provisioning ",
            "ProvisioningSucceeded",
        ],
    );
    in_order(&describe("hpa api-gateway"), &["10% (5m) / 60%", "AbleToScale True", "ScalingActive True"]);
    contains(&describe("namespace microservices"), "Status: Active");
    let node = c.json("get pod billing-app-0 -n microservices")["spec"]["nodeName"].as_str().unwrap().to_owned();
    in_order(
        &describe(&format!("node {node}")),
        &[
            "Ready True",
            "Non-terminated Pods:",
            "billing-app-0",
            "Starting kubelet.",
            "NodeHasSufficientPID",
            "Registered Node",
            "NodeReady",
        ],
    );
    contains(
        &squeezed(&c.kubectl("describe pod -n kube-system -l k8s-app=kube-dns").ok()),
        "/var/run/secrets/kubernetes.io/serviceaccount from kube-api-access-",
    );
}

fn events(c: &Cluster) {
    let listed = c.kubectl("get events -n microservices --field-selector involvedObject.name=billing-app-0").ok();
    in_order(&listed, &["Scheduled", "Pulled", "Created", "Started"]);
    contains(&c.kubectl("events -n microservices --for statefulset/billing-app").ok(), "create Pod billing-app-0");
}

fn logs(c: &Cluster) {
    let log = c.kubectl("logs -n microservices deploy/api-gateway").ok();
    in_order(&log, &["rehearsal: no container runs here", "listening on 0.0.0.0:3000", "ready"]);
    assert_eq!(c.kubectl("logs -n microservices sts/billing-app --tail=1").ok(), "ready\n");
    let followed = c.watch("logs -n microservices billing-app-0 -f");
    contains(&followed.until(|text| text.contains("ready")), "starting billing-app");
    let previous = c.kubectl("logs -n microservices billing-app-0 --previous").err();
    contains(&previous, "previous terminated container \"billing-app\" in pod \"billing-app-0\" not found");
}

fn explanations(c: &Cluster) {
    let replicas = squeezed(&c.kubectl("explain deployment.spec.replicas").ok());
    in_order(
        &replicas,
        &["GROUP: apps", "KIND: Deployment", "VERSION: v1", "FIELD: replicas <integer>", "Number of desired pods."],
    );
    let containers = squeezed(&c.kubectl("explain pod.spec.containers").ok());
    in_order(&containers, &["FIELD: containers <[]Container>", "image <string>", "resources <ResourceRequirements>"]);
    contains(&squeezed(&c.kubectl("explain hpa.spec").ok()), "maxReplicas <integer> -required-");
    contains(&c.kubectl("explain pod.spec.nope").err(), "field \"nope\" does not exist");
}

fn nothing_runs(c: &Cluster) {
    let refused = |line: &str, why: &str| contains(&c.kubectl(line).err(), why);
    refused(
        "exec -n microservices billing-app-0 -- ls",
        "this is a rehearsal cluster: no container runs, so there is none to run a command in",
    );
    refused("attach -n microservices billing-app-0", "there is none to attach to");
    refused("cp -n microservices orchestrator.toml billing-app-0:/tmp/x", "this is a rehearsal cluster");
    refused("port-forward -n microservices svc/api-gateway 18080:3000", "there is no port to forward to");
    refused("debug -n microservices billing-app-0 --image=busybox:1", "there is none to debug");
    refused("get --raw /api/v1/namespaces/microservices/services/api-gateway:3000/proxy/", "nothing answers here");
    refused("create token default", "it issues no tokens");
    refused("top nodes", "error: Metrics API not available");
    refused("top pods -A", "error: Metrics API not available");
}
