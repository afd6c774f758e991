//! K3s's packaged components, as Deployments that people expect to see in `kube-system`.

use serde_json::{Value, json};

use super::{
    bootstrap::cluster_ip,
    context::{Context, new_object},
};

/// One packaged component.
struct Addon {
    /// As K3s's `disable` setting names it.
    component: &'static str,
    name: &'static str,
    app: &'static str,
    image: &'static str,
    cpu: &'static str,
    memory: &'static str,
}

const ADDONS: [Addon; 3] = [
    Addon {
        component: "coredns",
        name: "coredns",
        app: "kube-dns",
        image: "rancher/mirrored-coredns-coredns:1.12.3",
        cpu: "100m",
        memory: "70Mi",
    },
    Addon {
        component: "local-storage",
        name: "local-path-provisioner",
        app: "local-path-provisioner",
        image: "rancher/local-path-provisioner:v0.0.31",
        cpu: "",
        memory: "",
    },
    Addon {
        component: "metrics-server",
        name: "metrics-server",
        app: "metrics-server",
        image: "rancher/mirrored-metrics-server:v0.8.0",
        cpu: "100m",
        memory: "70Mi",
    },
];

const NAMESPACE: &str = "kube-system";
/// The address of the cluster's name server.
const DNS: &str = "10.43.0.10";

/// Makes what is missing of the components that are not disabled.
pub fn install(cx: &mut Context) {
    let disabled = cx.world.disabled.clone();
    let enabled = |component: &str| !disabled.iter().any(|one| one == component);
    for addon in ADDONS.iter().filter(|addon| enabled(addon.component)) {
        cx.create("ServiceAccount", new_object("ServiceAccount", NAMESPACE, addon.name));
        cx.create_sparse("Deployment", deployment(addon));
    }
    cx.create("ConfigMap", cluster_dns());
    if enabled("coredns") {
        let ports = json!([
            {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
            {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
        ]);
        service(cx, "kube-dns", "kube-dns", cluster_ip(DNS, ports));
    }
    if enabled("metrics-server") {
        let ports = json!([{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 10250}]);
        service(cx, "metrics-server", "metrics-server", cluster_ip("10.43.0.11", ports));
    }
    if enabled("local-storage") {
        storage_class(cx);
    }
}

/// What K3s's server tells nodes of the cluster's names.
fn cluster_dns() -> Value {
    let mut map = new_object("ConfigMap", NAMESPACE, "cluster-dns");
    map["data"] = json!({"clusterDNS": DNS, "clusterDomain": "cluster.local"});
    map
}

fn service(cx: &mut Context, name: &str, app: &str, mut spec: Value) {
    let mut service = new_object("Service", NAMESPACE, name);
    let title = if app == "kube-dns" { "CoreDNS" } else { "Metrics-server" };
    service["metadata"]["labels"] =
        json!({"k8s-app": app, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": title});
    spec["selector"] = json!({"k8s-app": app});
    service["spec"] = spec;
    service["status"] = json!({"loadBalancer": {}});
    cx.create_sparse("Service", service);
}

fn storage_class(cx: &mut Context) {
    let mut class = new_object("StorageClass", "", "local-path");
    class["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
    class["provisioner"] = json!(super::volume::PROVISIONER);
    class["reclaimPolicy"] = json!("Delete");
    class["volumeBindingMode"] = json!("WaitForFirstConsumer");
    cx.create_sparse("StorageClass", class);
}

fn deployment(addon: &Addon) -> Value {
    let labels = json!({"k8s-app": addon.app});
    let requests = match addon.cpu {
        "" => json!({}),
        cpu => json!({"requests": {"cpu": cpu, "memory": addon.memory}}),
    };
    let mut deployment = new_object("Deployment", NAMESPACE, addon.name);
    deployment["metadata"]["labels"] = labels.clone();
    deployment["spec"] = json!({
        "progressDeadlineSeconds": 600,
        "replicas": 1,
        "revisionHistoryLimit": 0,
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [{
                    "name": addon.name,
                    "image": addon.image,
                    "imagePullPolicy": "IfNotPresent",
                    "resources": requests,
                }],
                "dnsPolicy": "Default",
                "priorityClassName": "system-cluster-critical",
                "securityContext": {},
                "serviceAccount": addon.name,
                "serviceAccountName": addon.name,
                "tolerations": [
                    {"key": "CriticalAddonsOnly", "operator": "Exists"},
                    {"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane", "operator": "Exists"},
                ],
            },
        },
    });
    deployment["status"] = json!({});
    deployment
}
