//! The rehearsal's API as the real kubectl sees it, without controllers.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod support;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use orchestrator::rehearsal::{
    api::{Api, Phase, serve},
    pki::Tls,
    resource::of,
    store::Store,
};
use serde_json::{Value, json};
use support::{Ran, contains, within_seconds, words};
use tokio::{net::TcpListener, runtime::Runtime};

const TOKEN: &str = "a-token";

struct Rehearsal {
    folder: tempfile::TempDir,
    api: Arc<Api>,
    port: u16,
    _runtime: Runtime,
}

fn rehearsal() -> Rehearsal {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::load(&folder.path().join("pki")).unwrap();
    let store = Arc::new(Store::open(&folder.path().join("log")).unwrap());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
    store.create(of("Namespace"), namespace).unwrap();
    let api = Arc::new(Api::new(store, TOKEN, tls.ca.clone(), "v1.33.5+k3s1"));
    std::fs::write(folder.path().join("ca.crt"), &tls.ca).unwrap();
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(serve(listener, tls, api.clone(), std::future::pending()));
    let rehearsal = Rehearsal { folder, api, port, _runtime: runtime };
    rehearsal.write_kubeconfig(TOKEN);
    rehearsal
}

impl Rehearsal {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_kubeconfig(&self, token: &str) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "r",
            "clusters": [{"name": "r", "cluster": {"server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority": self.path("ca.crt")}}],
            "users": [{"name": "r", "user": {"token": token}}],
            "contexts": [{"name": "r", "context": {"cluster": "r", "user": "r"}}],
        });
        std::fs::write(self.path("kubeconfig"), config.to_string()).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("kubectl");
        command.env("HOME", self.folder.path()).env("KUBECONFIG", self.path("kubeconfig"));
        command.env_remove("KUBECTL_EXTERNAL_DIFF").args(words(line)).current_dir(self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs kubectl; single quotes group words.
    fn kubectl(&self, line: &str) -> Ran {
        self.command(line).output().expect("kubectl is installed").into()
    }

    /// Writes a manifest. Some builds of kubectl take for JSON what begins with a brace.
    fn file(&self, name: &str, text: &str) {
        let begin = if text.starts_with('{') && !text.starts_with("{\"") { "---\n" } else { "" };
        std::fs::write(self.path(name), format!("{begin}{text}")).unwrap();
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("{line} -o json")).ok()).unwrap()
    }

    fn deployment(&self, file: &str, image: &str) {
        let text = DEPLOYMENT.replace("IMAGE", image);
        self.file(file, &text);
    }
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: 'IMAGE', ports: [{containerPort: 80}]}
";

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: default, labels: {app: NAME}}
spec: {containers: [{name: main, image: 'busybox:1'}]}
";

#[test]
fn discovery_and_raw_paths() {
    let r = rehearsal();
    let resources = r.kubectl("api-resources").ok();
    for line in ["deployments deploy apps/v1 true Deployment", "nodes no v1 false Node"] {
        let squeezed = resources.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(squeezed.into_iter().any(|found| found == line), "{line} is not in\n{resources}");
    }
    contains(&r.kubectl("api-resources --categories=all -o name").ok(), "statefulsets.apps");
    contains(&r.kubectl("api-versions").ok(), "autoscaling/v2\n");
    contains(&r.kubectl("version").ok(), "Server Version: v1.33.5+k3s1");
    assert_eq!(r.kubectl("get --raw /readyz").ok(), "ok");
    contains(&r.kubectl("get --raw /readyz?verbose").ok(), "readyz check passed");
    contains(&r.kubectl("get --raw /apis/apps").ok(), "\"APIGroup\"");
    contains(&r.kubectl("get --raw /nope").err(), "(NotFound): the server could not find the requested resource");
    contains(&r.kubectl("get widgets").err(), "the server doesn't have a resource type \"widgets\"");
    assert_eq!(r.kubectl("auth can-i create pods").ok(), "yes\n");
    contains(&r.kubectl("auth whoami").ok(), "system:admin");
}

#[test]
fn phases_and_tokens() {
    let r = rehearsal();
    r.api.set_phase(Phase::Starting);
    contains(&r.kubectl("get --raw /readyz").err(), "the server is currently unable to handle the request");
    r.kubectl("get namespaces").ok();
    r.api.set_phase(Phase::Stopped);
    contains(&r.kubectl("get --raw /api").err(), "K3s is not running in this rehearsal");
    r.api.set_phase(Phase::Ready);
    r.write_kubeconfig("wrong");
    contains(&r.kubectl("get --raw /api/v1/pods").err(), "You must be logged in to the server (Unauthorized)");
    assert_eq!(r.kubectl("get --raw /livez").ok(), "ok");
}

#[test]
fn client_side_apply_diff_and_delete() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    assert_eq!(r.kubectl("apply -f web.yaml").ok(), "deployment.apps/web created\n");
    assert_eq!(r.kubectl("apply -f web.yaml").ok(), "deployment.apps/web unchanged\n");
    r.deployment("web.yaml", "nginx:2");
    let diff = r.kubectl("diff -f web.yaml");
    contains(&diff.stdout, "-      - image: nginx:1");
    contains(&diff.stdout, "+      - image: nginx:2");
    assert_eq!(
        r.kubectl("apply -f web.yaml --dry-run=server").ok(),
        "deployment.apps/web configured (server dry run)\n"
    );
    assert_eq!(r.kubectl("apply -f web.yaml").ok(), "deployment.apps/web configured\n");
    r.kubectl("diff -f web.yaml").ok();
    let web = r.json("get deployment web");
    assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
    assert_eq!(web["metadata"]["generation"], 2);
    assert_eq!(r.kubectl("delete -f web.yaml").ok(), "deployment.apps \"web\" deleted\n");
    contains(&r.kubectl("get deployment web").err(), "(NotFound): deployments.apps \"web\" not found");
}

#[test]
fn server_side_apply() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    assert_eq!(r.kubectl("apply --server-side -f web.yaml").ok(), "deployment.apps/web serverside-applied\n");
    let first = r.json("get deployment web");
    assert_eq!(r.kubectl("apply --server-side -f web.yaml").ok(), "deployment.apps/web serverside-applied\n");
    assert_eq!(r.json("get deployment web")["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    r.deployment("web.yaml", "nginx:2");
    let conflict = r.kubectl("apply --server-side --field-manager=other -f web.yaml").err();
    contains(
        &conflict,
        "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.template.spec.containers[name=\"web\"].image",
    );
    contains(&r.kubectl("diff --server-side --field-manager=kubectl -f web.yaml").stdout, "+      - image: nginx:2");
    r.kubectl("apply --server-side --field-manager=other --force-conflicts -f web.yaml").ok();
    let managers =
        r.kubectl("get deployment web --show-managed-fields -o jsonpath='{.metadata.managedFields[*].manager}'").ok();
    assert_eq!(managers, "kubectl other");
    let image = r.json("get deployment web")["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert_eq!(image, "nginx:2");
}

#[test]
fn from_client_side_to_server_side_apply() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("apply -f web.yaml").ok();
    r.deployment("web.yaml", "nginx:2");
    assert_eq!(r.kubectl("apply --server-side -f web.yaml").ok(), "deployment.apps/web serverside-applied\n");
    let managers =
        r.kubectl("get deployment web --show-managed-fields -o jsonpath='{.metadata.managedFields[*].manager}'").ok();
    assert!(!managers.contains("kubectl-client-side-apply"), "{managers}");
}

#[test]
fn tables_are_those_of_the_real_server() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("apply -f web.yaml").ok();
    let squeezed =
        |line: &str| r.kubectl(line).ok().lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed("get deployments"), "NAME READY UP-TO-DATE AVAILABLE AGE");
    assert_eq!(
        squeezed("get deployments -o wide -A"),
        "NAMESPACE NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR"
    );
    contains(&r.kubectl("get deployment web").ok(), "0/2");
    assert_eq!(squeezed("get namespaces"), "NAME STATUS AGE");
}

#[test]
fn nodes_are_cordoned_tainted_and_drained() {
    let r = rehearsal();
    r.file("node.yaml", "{apiVersion: v1, kind: Node, metadata: {name: node-1}}");
    r.kubectl("create -f node.yaml").ok();
    r.file(
        "pod.yaml",
        &POD.replace("NAME", "one").replace("spec: {", "spec: {nodeName: node-1, terminationGracePeriodSeconds: 0, "),
    );
    r.kubectl("create -f pod.yaml").ok();
    r.kubectl("taint node node-1 a=b:NoSchedule").ok();
    contains(&r.kubectl("describe node node-1").ok(), "a=b:NoSchedule");
    contains(&r.kubectl("drain node-1 --force --timeout=20s").ok(), "node/node-1 drained");
    assert_eq!(r.json("get node node-1")["spec"]["unschedulable"], true);
    contains(&r.kubectl("uncordon node-1").ok(), "uncordoned");
}

#[test]
fn rollouts_restart_pause_and_resume() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("apply -f web.yaml").ok();
    r.kubectl("rollout restart deployment/web").ok();
    let annotations = &r.json("get deployment web")["spec"]["template"]["metadata"]["annotations"];
    assert!(annotations["kubectl.kubernetes.io/restartedAt"].is_string());
    contains(&r.kubectl("rollout pause deployment/web").ok(), "paused");
    contains(&r.kubectl("rollout resume deployment/web").ok(), "resumed");
    let done = r#"{"status":{"observedGeneration":9,"replicas":2,"updatedReplicas":2,"availableReplicas":2,"readyReplicas":2}}"#;
    r.kubectl(&format!("patch deployment web --subresource=status --type=merge -p '{done}'")).ok();
    contains(&r.kubectl("rollout status deployment/web --timeout=10s").ok(), "successfully rolled out");
    r.kubectl("set env deployment/web A=B").ok();
    r.kubectl("set resources deployment/web --limits=cpu=1").ok();
    contains(&r.kubectl("describe deployment web").ok(), "nginx:1");
}

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
fn patch_label_annotate_and_scale() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("create -f web.yaml").ok();
    r.kubectl(r#"patch deployment web -p '{"spec":{"minReadySeconds":3}}'"#).ok();
    r.kubectl(r#"patch deployment web --type=merge -p '{"spec":{"paused":true}}'"#).ok();
    r.kubectl(r#"patch deployment web --type=json -p '[{"op":"replace","path":"/spec/replicas","value":5}]'"#).ok();
    let spec = &r.json("get deployment web")["spec"];
    assert_eq!((&spec["minReadySeconds"], &spec["paused"], &spec["replicas"]), (&json!(3), &json!(true), &json!(5)));
    contains(&r.kubectl("label deployment web tier=front").ok(), "labeled");
    contains(&r.kubectl("label deployment web tier=back").err(), "already has a value (front)");
    contains(&r.kubectl("annotate deployment web note='two words'").ok(), "annotated");
    assert_eq!(r.kubectl("scale deployment web --replicas=7").ok(), "deployment.apps/web scaled\n");
    contains(
        &r.kubectl("scale deployment web --current-replicas=1 --replicas=2").err(),
        "Expected replicas to be 1, was 7",
    );
    let web = r.json("get deployment web");
    assert_eq!((&web["spec"]["replicas"], &web["metadata"]["labels"]["tier"]), (&json!(7), &json!("front")));
    r.kubectl("set image deployment/web web=nginx:3").ok();
    assert_eq!(r.json("get deployment web")["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:3");
    r.kubectl(r#"patch deployment web --subresource=status --type=merge -p '{"status":{"replicas":9},"spec":{"replicas":1}}'"#).ok();
    let web = r.json("get deployment web");
    assert_eq!((&web["spec"]["replicas"], &web["status"]["replicas"]), (&json!(7), &json!(9)));
    r.kubectl(r#"patch deployment web --type=merge -p '{"status":{"replicas":1}}'"#).ok();
    assert_eq!(r.json("get deployment web")["status"]["replicas"], 9);
}

#[test]
fn a_stale_replace_is_refused() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("create -f web.yaml").ok();
    r.file("old.json", &r.kubectl("get deployment web -o json").ok());
    r.kubectl("label deployment web a=b").ok();
    let refused = r.kubectl("replace -f old.json").err();
    contains(
        &refused,
        "(Conflict): error when replacing \"old.json\": Operation cannot be fulfilled on deployments.apps \"web\"",
    );
    contains(&refused, "the object has been modified; please apply your changes to the latest version and try again");
    contains(&r.kubectl("replace -f web.yaml").ok(), "replaced");
}

#[test]
fn watch_and_wait() {
    let r = rehearsal();
    let mut watch = r.command("get pods -w -o name").stdout(Stdio::piped()).spawn().unwrap();
    r.file("pod.yaml", &POD.replace("NAME", "one"));
    r.kubectl("create -f pod.yaml").ok();
    let wait = r.command("wait --for=condition=Ready pod/one --timeout=20s").stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let ready = r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
    r.kubectl(&format!("patch pod one --subresource=status -p '{ready}'")).ok();
    contains(&Ran::from(wait.wait_with_output().unwrap()).ok(), "pod/one condition met");
    let gone = r.command("wait --for=delete pod/one --timeout=20s").stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    r.kubectl("delete pod one").ok();
    contains(&Ran::from(gone.wait_with_output().unwrap()).ok(), "pod/one condition met");
    watch.kill().unwrap();
    let seen = String::from_utf8(watch.wait_with_output().unwrap().stdout).unwrap();
    assert!(seen.lines().count() >= 3 && seen.lines().all(|line| line == "pod/one"), "{seen}");
}

#[test]
fn a_table_watch_prints_rows() {
    let r = rehearsal();
    let out = std::fs::File::create(r.path("out")).unwrap();
    let mut watch = r.command("get configmaps -w").stdout(out).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    r.kubectl("create configmap one --from-literal=a=b").ok();
    within_seconds(10, || std::fs::read_to_string(r.path("out")).ok().filter(|text| text.contains("one ")));
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn finalizers_and_propagation() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("create -f web.yaml").ok();
    r.kubectl(r#"patch deployment web --type=merge -p '{"metadata":{"finalizers":["example.com/keep"]}}'"#).ok();
    r.kubectl("delete deployment web --wait=false").ok();
    assert!(r.json("get deployment web")["metadata"]["deletionTimestamp"].is_string());
    let more =
        r#"patch deployment web --type=merge -p '{"metadata":{"finalizers":["example.com/keep","example.com/more"]}}'"#;
    contains(&r.kubectl(more).err(), "no new finalizers can be added if the object is being deleted");
    r.kubectl(r#"patch deployment web --type=merge -p '{"metadata":{"finalizers":null}}'"#).ok();
    contains(&r.kubectl("get deployment web").err(), "not found");
    r.kubectl("create -f web.yaml").ok();
    r.kubectl("delete deployment web --cascade=foreground --wait=false").ok();
    assert_eq!(r.json("get deployment web")["metadata"]["finalizers"], json!(["foregroundDeletion"]));
}

#[test]
fn deleting_pods_by_selector_and_by_collection() {
    let r = rehearsal();
    for name in ["one", "two", "three"] {
        r.file("pod.yaml", &POD.replace("NAME", name));
        r.kubectl("create -f pod.yaml").ok();
    }
    assert_eq!(r.kubectl("delete pods -l app=one").ok(), "pod \"one\" deleted\n");
    r.kubectl("delete pods --all").ok();
    contains(&r.kubectl("get pods").stderr, "No resources found in default namespace.");
    r.file("pod.yaml", &POD.replace("NAME", "four").replace("spec: {", "spec: {nodeName: node-1, "));
    r.kubectl("create -f pod.yaml").ok();
    r.kubectl("delete pod four --wait=false").ok();
    assert_eq!(r.json("get pod four")["metadata"]["deletionGracePeriodSeconds"], 30);
    r.kubectl("delete pod four --force --grace-period=0").ok();
    contains(&r.kubectl("get pod four").err(), "not found");
}

#[test]
fn namespaces_terminate_and_take_nothing_new() {
    let r = rehearsal();
    r.file("ns.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: a}}");
    r.kubectl("create -f ns.yaml").ok();
    r.kubectl("delete namespace a --wait=false").ok();
    assert_eq!(r.json("get namespace a")["status"]["phase"], "Terminating");
    r.file("pod.yaml", &POD.replace("NAME", "x").replace("namespace: default", "namespace: a"));
    let refused = r.kubectl("create -f pod.yaml").err();
    contains(
        &refused,
        "pods \"x\" is forbidden: unable to create new content in namespace a because it is being terminated",
    );
    r.file(
        "final.json",
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {"finalizers": []}})
            .to_string(),
    );
    r.kubectl("replace --raw /api/v1/namespaces/a/finalize -f final.json").ok();
    contains(&r.kubectl("get namespace a").err(), "namespaces \"a\" not found");
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

#[test]
fn logs_exec_and_eviction() {
    let r = rehearsal();
    r.file("pod.yaml", &POD.replace("NAME", "one"));
    r.kubectl("create -f pod.yaml").ok();
    contains(&r.kubectl("logs one").ok(), "no container runs here");
    assert_eq!(r.kubectl("logs one --tail=1").ok().lines().count(), 1);
    contains(&r.kubectl("logs one --timestamps").ok(), "Z rehearsal:");
    contains(&r.kubectl("logs one -c other").err(), "container other is not valid for pod one");
    contains(&r.kubectl("exec one -- true").err(), "this is a rehearsal cluster: no container runs");
    contains(&r.kubectl("port-forward pod/one 8080:80").err(), "pod is not running");
    let budget = "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {minAvailable: 1, selector: {matchLabels: {app: one}}}}";
    r.file("budget.yaml", budget);
    r.kubectl("create -f budget.yaml").ok();
    r.file(
        "evict.json",
        &json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one", "namespace": "default"}})
            .to_string(),
    );
    let evict = "create --raw /api/v1/namespaces/default/pods/one/eviction -f evict.json";
    contains(&r.kubectl(evict).err(), "Cannot evict pod as it would violate the pod's disruption budget.");
    r.kubectl(r#"patch pdb b --subresource=status --type=merge -p '{"status":{"disruptionsAllowed":1}}'"#).ok();
    r.kubectl(evict).ok();
    contains(&r.kubectl("get pod one").err(), "not found");
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
