//! New objects, from manifests and from kubectl's generators, and what the server adds to them.

use serde_json::json;

use crate::{
    rehearsal::{POD, rehearsal},
    support::contains,
};

#[test]
fn create_get_and_its_formats() {
    let r = rehearsal();
    r.file("pod.yaml", &POD.replace("NAME", "one"));
    assert_eq!(r.kubectl("create -f pod.yaml").ok(), "pod/one created\n");
    contains(&r.kubectl("create -f pod.yaml").err(), "(AlreadyExists)");
    contains(&r.kubectl("get pods -A").ok(), "one");
    contains(&r.kubectl("get pod one -o wide").ok(), "one");
    contains(&r.kubectl("get pod one -o yaml").ok(), "qosClass: BestEffort");
    assert_eq!(r.kubectl("get pods -o jsonpath='{.items[*].metadata.name}'").ok(), "one");
    assert_eq!(r.kubectl("get pods -o name").ok(), "pod/one\n");
    contains(&r.kubectl("get pods -l app=one,app!=two --show-labels").ok(), "app=one");
    contains(&r.kubectl("get pods -l 'app in (two)'").stderr, "No resources found");
    contains(&r.kubectl("get pods --field-selector spec.nodeName=,status.phase=Pending").ok(), "one");
    contains(&r.kubectl("get pods --field-selector spec.foo=1").err(), "field label not supported: spec.foo");
    contains(&r.kubectl("describe pod one").ok(), "QoS Class:");
    r.file("generated.yaml", &POD.replace("name: NAME,", "generateName: many-,").replace("NAME", "many"));
    for _ in 0..3 {
        contains(&r.kubectl("create -f generated.yaml").ok(), "pod/many-");
    }
    let pages = r.kubectl("get pods --chunk-size=2 -o name").ok();
    assert_eq!(pages.lines().count(), 4);
    r.file("elsewhere.yaml", &POD.replace("NAME", "x").replace("default", "nowhere"));
    contains(
        &r.kubectl("create -f elsewhere.yaml").err(),
        "(NotFound): error when creating \"elsewhere.yaml\": namespaces \"nowhere\" not found",
    );
    contains(&r.kubectl("get pods --all-namespaces --sort-by=.metadata.name").ok(), "many-");
}

#[test]
fn create_with_generators_which_speak_protobuf() {
    let r = rehearsal();
    for line in [
        "create namespace a",
        "create configmap c --from-literal=k=v",
        "create secret generic s --from-literal=k=v",
        "create serviceaccount sa",
        "create deployment d --image=nginx:1 --replicas=0 --port=80",
        "create service clusterip one --tcp=80:8080",
        "create service nodeport two --tcp=80:http --node-port=30001",
        "create job j --image=busybox:1 -- date",
        "create cronjob cj --image=busybox:1 --schedule='* * * * *' -- date",
        "create role r --verb=get,list --resource=pods,deployments.apps",
        "create clusterrole cr --verb=get --resource=nodes",
        "create rolebinding rb --role=r --serviceaccount=default:sa",
        "create clusterrolebinding crb --clusterrole=cr --user=me",
        "create poddisruptionbudget pdb --selector=app=d --min-available=50%",
        "create ingress i --rule=a.example/*=one:80",
        "create quota q --hard=pods=3,cpu=1500m",
        "create priorityclass pc --value=0",
        "expose deployment d --port=80 --name=three",
        "run pod --image=busybox:1",
        "autoscale deployment d --min=1 --max=3 --cpu-percent=60",
    ] {
        r.kubectl(line).ok();
    }
    assert_eq!(r.kubectl("get secret s -o jsonpath={.data.k}").ok(), "dg==");
    assert_eq!(r.json("get deployment d")["spec"]["replicas"], 0);
    assert_eq!(
        r.json("get deployment d")["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"],
        80
    );
    assert_eq!(r.json("get service two")["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(r.json("get pdb pdb")["spec"]["minAvailable"], "50%");
    assert_eq!(r.json("get quota q")["spec"]["hard"], json!({"pods": "3", "cpu": "1500m"}));
    assert_eq!(r.json("get role r")["rules"][0]["apiGroups"], json!([""]));
    assert_eq!(
        r.json("get ingress i")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["number"],
        80
    );
    assert_eq!(r.json("get job j")["spec"]["template"]["spec"]["containers"][0]["command"], json!(["date"]));
}

#[test]
fn services_get_addresses_and_ports() {
    let r = rehearsal();
    let service = |name: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{type: NodePort, selector: {{app: x}}, ports: [{{port: 80, nodePort: 30000}}]}}}}"
        )
    };
    r.file("one.yaml", &service("one"));
    r.kubectl("apply -f one.yaml").ok();
    assert!(r.kubectl("get service one -o jsonpath={.spec.clusterIP}").ok().starts_with("10.43."));
    r.file("two.yaml", &service("two"));
    let text =
        "Service \"two\" is invalid: spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated";
    contains(&r.kubectl("apply -f two.yaml").err(), text);
    assert_eq!(r.kubectl("apply -f one.yaml").ok(), "service/one unchanged\n");
}

#[test]
fn secrets_keep_string_data_encoded() {
    let r = rehearsal();
    r.file("secret.yaml", "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: b}}");
    r.kubectl("apply -f secret.yaml").ok();
    assert_eq!(r.kubectl("get secret s -o jsonpath={.data.a}{.stringData}").ok(), "Yg==");
}
