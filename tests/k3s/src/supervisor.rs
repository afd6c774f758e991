//! What a server answers below `/v1-k3s/`: how nodes come to the cluster.

use std::{
    collections::HashMap,
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use orchestrator::rehearsal::{
    api::{self, Reply},
    control::world::{Node, World},
    object::status::Status,
    resource::of,
    store::{ChangeKind, Key, Store},
};
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};

use crate::{
    config::Settings,
    kubelet::{Answer, REPORT, RunningPod},
    log,
    members::Members,
    node_password,
    paths::Paths,
    tls::{Authority, shared_files},
};

/// Where a server asks to become a member, below `/v1-k3s/`.
pub const JOIN: &str = "stand-in/join";

/// The secrets of a cluster.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub server: String,
    pub agent: String,
}

/// The supervisor of one server.
pub struct Supervisor {
    pub paths: Paths,
    pub store: Arc<Store>,
    pub world: Arc<World>,
    pub secrets: Secrets,
    /// The members of embedded etcd; `None` for a server that is alone.
    pub members: Option<Arc<Members>>,
    /// What all servers must agree on.
    pub configuration: Value,
    /// Where this server answers, as `https://10.0.0.4:6443`.
    pub here: String,
    /// When each node was heard of last.
    pub seen: Mutex<HashMap<String, Instant>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Caller {
    Server,
    Node,
}

impl Supervisor {
    /// Answers one request.
    pub fn answer(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path().trim_start_matches("/v1-k3s/");
        let Some(caller) = self.caller(request.headers()) else { return api::refuse(&Status::unauthorized()) };
        if self.members.as_ref().is_some_and(|members| !members.leads()) {
            return api::refuse(&Status::unavailable("etcdserver: no leader"));
        }
        match (request.method(), path) {
            (&Method::GET, "config") => api::json(StatusCode::OK, &self.configuration),
            (&Method::GET, "readyz") => api::text(StatusCode::OK, "ok"),
            (&Method::GET, "apiservers") => api::json(StatusCode::OK, &json!(self.servers())),
            (&Method::GET, "client-ca.crt" | "server-ca.crt") => self.file(path),
            (&Method::GET, "serving-kubelet.crt") => self.certificate(request, "server-ca"),
            (&Method::GET, "client-kubelet.crt") => self.certificate(request, "client-ca"),
            (&Method::GET, "server-bootstrap") if caller == Caller::Server => self.bootstrap(),
            (&Method::GET, "server-bootstrap") => api::refuse(&Status::unauthorized()),
            (&Method::POST, REPORT) => self.report(request),
            (&Method::POST, JOIN) if caller == Caller::Server => self.join(request),
            _ => api::refuse(&Status::no_such_path()),
        }
    }

    fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let given = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
        let given = String::from_utf8(STANDARD.decode(given).ok()?).ok()?;
        match given.split_once(':')? {
            ("server", secret) if secret == self.secrets.server => Some(Caller::Server),
            ("node", secret) if secret == self.secrets.agent => Some(Caller::Node),
            _ => None,
        }
    }

    fn servers(&self) -> Vec<String> {
        match &self.members {
            Some(members) => members.roster().members.into_iter().map(|member| member.url).collect(),
            None => vec![self.here.clone()],
        }
    }

    /// Takes another server in as a member.
    fn join(&self, request: &Request<Bytes>) -> Reply {
        let (Some(members), Ok(member)) = (&self.members, serde_json::from_slice(request.body())) else {
            let why = "etcd is not the datastore of this cluster: its first server was started without --cluster-init";
            return api::text(StatusCode::INTERNAL_SERVER_ERROR, why);
        };
        match members.join(member) {
            Ok(roster) => api::json(StatusCode::OK, &serde_json::to_value(roster).unwrap_or_default()),
            Err(why) => api::text(StatusCode::INTERNAL_SERVER_ERROR, why.0),
        }
    }

    fn file(&self, name: &str) -> Reply {
        match fs::read_to_string(self.paths.tls(name)) {
            Ok(text) => api::text(StatusCode::OK, text),
            Err(error) => api::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    fn bootstrap(&self) -> Reply {
        let read = |file: String| {
            let content = fs::read(self.paths.tls(&file)).ok()?;
            Some((file, json!({"Timestamp": jiff::Timestamp::now().to_string(), "Content": STANDARD.encode(content)})))
        };
        let files: serde_json::Map<String, Value> = shared_files().into_iter().filter_map(read).collect();
        api::json(StatusCode::OK, &Value::Object(files))
    }

    /// Signs a certificate for the kubelet of a node that knows its password.
    fn certificate(&self, request: &Request<Bytes>, authority: &str) -> Reply {
        let Some((name, password)) = node_of(request.headers()) else {
            return api::text(StatusCode::INTERNAL_SERVER_ERROR, "node name not set");
        };
        if let Err(why) = node_password::ensure(&self.store, &name, &password) {
            log::error(&why);
            return api::text(StatusCode::FORBIDDEN, why);
        }
        let signed = Authority::read(&self.paths, authority).and_then(|authority| {
            if request.uri().path().ends_with("/client-kubelet.crt") {
                let user = format!("system:node:{name}");
                return authority.sign(&user, Some("system:nodes"), ExtendedKeyUsagePurpose::ClientAuth, []);
            }
            let address = request.headers().get("k3s-node-ip").and_then(|address| address.to_str().ok());
            let names = [Some(name.as_str()), Some("localhost"), Some("127.0.0.1"), address];
            let names = names.into_iter().flatten().map(str::to_owned);
            authority.sign(&name, None, ExtendedKeyUsagePurpose::ServerAuth, names)
        });
        match signed {
            Ok((certificate, key)) => api::text(StatusCode::OK, certificate + &key),
            Err(why) => api::text(StatusCode::INTERNAL_SERVER_ERROR, why.0),
        }
    }

    fn report(&self, request: &Request<Bytes>) -> Reply {
        let Some((name, password)) = node_of(request.headers()) else {
            return api::text(StatusCode::INTERNAL_SERVER_ERROR, "node name not set");
        };
        if let Err(why) = node_password::verify(&self.store, &name, &password) {
            return api::text(StatusCode::FORBIDDEN, why);
        }
        let Ok(node) = serde_json::from_slice::<Node>(request.body()) else {
            return api::refuse(&Status::bad_request("no report"));
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), Instant::now());
        self.world.join(node);
        renew_lease(&self.store, &name);
        let answer = Answer { servers: self.servers(), pods: self.pods(&name) };
        api::json(StatusCode::OK, &serde_json::to_value(answer).unwrap_or_default())
    }

    fn pods(&self, node: &str) -> Vec<RunningPod> {
        let pods = self.store.list(of("Pod"), None).0.into_iter();
        let running = pods.filter(|pod| {
            let value = pod.value();
            value["spec"]["nodeName"] == node && value["status"]["phase"] == "Running"
        });
        running
            .map(|pod| RunningPod {
                namespace: pod.key.namespace.clone(),
                name: pod.key.name.clone(),
                uid: pod.uid.clone(),
            })
            .collect()
    }

    /// Takes the nodes that are stored as running until they are not heard of, so that a restart disturbs nobody.
    pub fn remember(&self) {
        let nodes: Vec<_> = self.store.list(of("Node"), None).0.iter().map(|node| stored(&node.value())).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for node in nodes {
            seen.insert(node.name.clone(), Instant::now());
            self.world.join(node);
        }
    }

    /// Marks nodes that were silent for `patience` as lost, for ever.
    pub async fn lose_the_silent(&self, patience: Duration) {
        loop {
            tokio::time::sleep(patience / 20).await;
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, _) in seen.iter().filter(|(_, at)| at.elapsed() > patience) {
                self.world.set_running(name, false);
            }
        }
    }

    /// Forgets what belongs to Nodes that are deleted, for ever; `gone` hears their names.
    pub async fn forget_the_deleted(&self, gone: impl Fn(&str)) {
        let mut changes = self.store.subscribe();
        while let Some(change) = changes.recv().await {
            let key = &change.object.key;
            if key.resource == of("Node") && change.kind == ChangeKind::Deleted {
                node_password::forget(&self.store, &key.name);
                gone(&key.name);
            }
        }
    }
}

fn node_of(headers: &HeaderMap) -> Option<(String, String)> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Some((text("k3s-node-name")?.to_lowercase(), text("k3s-node-password")?))
}

/// Returns the part of a server's settings that must be the same on all servers, by the names that K3s has for them.
pub fn critical(settings: &Settings) -> Value {
    let text = |name: &str, default: &str| settings.text(name).unwrap_or(default).to_owned();
    let mut disabled = settings.list("disable");
    disabled.sort_unstable();
    json!({
        "ClusterDNS": text("cluster-dns", "10.43.0.10"),
        "ClusterDomain": text("cluster-domain", "cluster.local"),
        "ClusterIPRange": text("cluster-cidr", "10.42.0.0/16"),
        "ServiceIPRange": text("service-cidr", "10.43.0.0/16"),
        "FlannelBackend": text("flannel-backend", "vxlan"),
        "EgressSelectorMode": text("egress-selector-mode", "agent"),
        "EncryptSecrets": settings.on("secrets-encryption"),
        "EmbeddedRegistry": settings.on("embedded-registry"),
        "DisableNPC": settings.on("disable-network-policy"),
        "DisableKubeProxy": settings.on("disable-kube-proxy"),
        "DisableHelmController": settings.on("disable-helm-controller"),
        "Disables": disabled,
    })
}

fn renew_lease(store: &Store, node: &str) {
    let key = Key { resource: of("Lease"), namespace: "kube-node-lease".into(), name: node.into() };
    store.modify(&key, |lease| {
        let mut lease = lease.value();
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        lease["spec"]["renewTime"] = json!(now);
        Some(lease)
    });
}

/// Reads a stored Node back as what its kubelet told.
fn stored(node: &Value) -> Node {
    use orchestrator::{model::Role, rehearsal::control::world::Kubelet};
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let status = &node["status"];
    let addresses = status["addresses"].as_array().cloned().unwrap_or_default();
    let internal = addresses.iter().find(|address| address["type"] == "InternalIP");
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let ready = conditions.clone().find(|condition| condition["type"] == "Ready");
    let not_ready = ready.filter(|ready| ready["status"] != "True").map(|ready| text(&ready["message"]));
    let images = status["images"].as_array().into_iter().flatten();
    let map = |value: &Value| serde_json::from_value(value.clone()).unwrap_or_default();
    let memory = text(&status["capacity"]["memory"]);
    Node {
        name: text(&node["metadata"]["name"]),
        role: match node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"].is_string() {
            true => Role::Server,
            false => Role::Agent,
        },
        address: internal.map(|address| text(&address["address"])).unwrap_or_default(),
        version: text(&status["nodeInfo"]["kubeletVersion"]),
        cpus: text(&status["capacity"]["cpu"]).parse().unwrap_or(1),
        memory: memory.trim_end_matches("Ki").parse::<u64>().unwrap_or(0) * 1024,
        running: true,
        images: images.map(|image| text(&image["names"][0])).collect(),
        kubelet: Some(Kubelet {
            start: None,
            labels: map(&node["metadata"]["labels"]),
            annotations: map(&node["metadata"]["annotations"]),
            taints: Vec::new(),
            addresses,
            info: map(&status["nodeInfo"]),
            not_ready,
        }),
    }
}
