//! A rehearsal whose containers run: requests to Services and commands in pods reach real processes here, and what
//! happens to a pod happens to its process. Everything else is the rehearsal's own API.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path as In, RawQuery, Request, State, WebSocketUpgrade, ws::Message},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    course::inventory_at,
    postgres::{Database, Postgres},
    program::{Program, Service},
    rabbitmq::RabbitMq,
    stand_in::StandIn,
};

/// What the database does when its pod is deleted, and the consumer when it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// The films are gone with the pod.
    ForgetsFilms,
    /// Every order is written twice.
    WritesTwice,
}

/// The processes that are the stack's containers.
pub struct Containers {
    pub orders: Database,
    pub films: Database,
    pub flaw: Flaw,
    billing: Service,
    gateway: Service,
    _inventory: Service,
    _broker: Arc<RabbitMq>,
    databases: Postgres,
}

/// A cluster with the shipped stack.
pub struct Cluster {
    pub containers: Arc<Mutex<Containers>>,
    folder: tempfile::TempDir,
    _api: StandIn,
}

/// The rehearsal's API, and what runs.
#[derive(Clone)]
struct Front {
    api: String,
    token: String,
    client: reqwest::Client,
    containers: Arc<Mutex<Containers>>,
}

impl Containers {
    async fn start() -> Self {
        let (databases, broker) = tokio::join!(Postgres::start(), RabbitMq::shared());
        let (orders, films) = (databases.database_called("orders", "billing").await, databases.database().await);
        let queue = broker.queue().environment();
        let inventory = Service::start("inventory-app", &[&films.environment()]).await;
        let gateway = Service::start("api-gateway", &[&queue, &inventory_at(&inventory)]).await;
        let billing = Service::start("billing-app", &[&queue, &orders.environment()]).await;
        tokio::join!(inventory.ready(), gateway.ready(), billing.ready());
        Self { orders, films, flaw: Flaw::None, billing, gateway, _inventory: inventory, _broker: broker, databases }
    }

    /// Has as many consumers as the StatefulSet: one or none.
    async fn scale_billing(&mut self, replicas: u64) {
        match (replicas, self.billing.program.has_ended()) {
            (0, false) => assert!(self.billing.terminate().await.success()),
            (1.., true) => {
                self.billing.start_again().await;
                self.billing.ready().await;
                if self.flaw == Flaw::WritesTwice {
                    self.write_orders_twice().await;
                }
            }
            _ => {}
        }
    }

    async fn write_orders_twice(&self) {
        let all = "INSERT INTO orders (user_id, number_of_items, total_amount, message_id) \
            SELECT user_id, number_of_items, total_amount, message_id || '-again' FROM orders";
        crate::wait::eventually("an order to write again", 20, async || {
            let done = sqlx::query(all).execute(&mut self.orders.connect().await.unwrap()).await.unwrap();
            (done.rows_affected() > 0).then_some(())
        })
        .await;
    }

    /// Ends the databases as a deleted pod's are, and starts them anew on their volume.
    async fn replace_database(&mut self) {
        self.databases.crash();
        self.databases.start_again().await;
        if self.flaw == Flaw::ForgetsFilms {
            sqlx::query("DELETE FROM movies").execute(&mut self.films.connect().await.unwrap()).await.unwrap();
        }
    }
}

impl Cluster {
    /// Has the shipped stack on a rehearsal, and its containers beside it.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("orchestrator-checks-").tempdir().unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        // As it is shipped, but with less patience for what does not come.
        let text = fs::read_to_string(shipped.join("orchestrator.toml")).unwrap();
        fs::write(folder.path().join("orchestrator.toml"), text.replace("within = \"1m\"", "within = \"5s\"")).unwrap();
        let manifests = folder.path().join("manifests/microservices");
        fs::create_dir_all(&manifests).unwrap();
        for entry in fs::read_dir(shipped.join("manifests/microservices")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), manifests.join(entry.file_name())).unwrap();
        }
        let containers = Arc::new(Mutex::new(Containers::start().await));
        let created = orchestrator(folder.path(), &["create"]).output().unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        let front = Front::before(&folder.path().join(".orchestrator/microservices/kubeconfig"), &containers);
        let kubeconfig = folder.path().join(".orchestrator/microservices/kubeconfig");
        let original = front.api.clone();
        let api = StandIn::serve(router(front)).await;
        let text = fs::read_to_string(&kubeconfig).unwrap().replace(&original, &api.url);
        fs::write(&kubeconfig, text).unwrap();
        Self { containers, folder, _api: api }
    }

    /// Runs the orchestrator in the project's folder to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = orchestrator(self.folder.path(), arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Starts the orchestrator.
    pub fn spawn(&self, arguments: &[&str]) -> Program {
        Program::start("orchestrator", &mut orchestrator(self.folder.path(), arguments))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let destroyed = orchestrator(self.folder.path(), &["destroy", "--yes"]).output().unwrap();
        if !std::thread::panicking() {
            assert!(destroyed.status.success(), "{}", String::from_utf8_lossy(&destroyed.stderr));
        }
    }
}

fn orchestrator(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator-with-services"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::null());
    command
}

impl Front {
    /// Reads the kubeconfig of the rehearsal.
    fn before(kubeconfig: &Path, containers: &Arc<Mutex<Containers>>) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let text = fs::read_to_string(kubeconfig).unwrap();
        let config: Value = serde_saphyr::from_str(&text).unwrap();
        let value = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let ca = BASE64_STANDARD.decode(value("/clusters/0/cluster/certificate-authority-data")).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()]);
        Self {
            api: value("/clusters/0/cluster/server"),
            token: value("/users/0/user/token"),
            client: client.build().unwrap(),
            containers: Arc::clone(containers),
        }
    }

    /// Passes a request on to the rehearsal, and what it does to pods on to the containers.
    async fn pass_on(&self, request: Request) -> Response {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let url = format!("{}{}", self.api, request.uri());
        let mut sent = self.client.request(method.clone(), url).bearer_auth(&self.token);
        for name in ["accept", "content-type"] {
            if let Some(value) = request.headers().get(name) {
                sent = sent.header(name, value);
            }
        }
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
        let answer = sent.body(body).send().await.unwrap();
        let status = answer.status();
        let kind = answer.headers().get("content-type").cloned();
        let body = answer.bytes().await.unwrap();
        if status.is_success() {
            let (front, runtime, body) = (self.clone(), tokio::runtime::Handle::current(), body.clone());
            let play = move || runtime.block_on(front.play(&method, &path, &body));
            tokio::task::spawn_blocking(play).await.unwrap();
        }
        let mut response = Response::builder().status(status);
        if let Some(kind) = kind {
            response = response.header("content-type", kind);
        }
        response.body(Body::from(body)).unwrap()
    }

    async fn play(&self, method: &Method, path: &str, body: &Bytes) {
        if *method == Method::PATCH && path.ends_with("/statefulsets/billing-app") {
            let object: Value = serde_json::from_slice(body).unwrap();
            self.containers.lock().await.scale_billing(object["spec"]["replicas"].as_u64().unwrap()).await;
        }
        if *method == Method::DELETE && path.ends_with("/pods/inventory-database-0") {
            self.containers.lock().await.replace_database().await;
        }
    }
}

fn router(front: Front) -> Router {
    let proxy = "/api/v1/namespaces/microservices/services/{service}/proxy/{*path}";
    let root = "/api/v1/namespaces/default/services/{service}/proxy/";
    Router::new()
        .route(proxy, any(service))
        .route(root, any(no_service))
        .route("/api/v1/namespaces/microservices/pods/{pod}/exec", get(exec))
        .fallback(async |State(front): State<Front>, request: Request| front.pass_on(request).await)
        .with_state(front)
}

/// What an API server says of a Service that is not there.
async fn no_service(In(service): In<String>) -> Response {
    let status = json!({"kind": "Status", "code": 404, "message": format!("services \"{service}\" not found")});
    (StatusCode::NOT_FOUND, axum::Json(status)).into_response()
}

async fn service(
    State(front): State<Front>,
    In((service, path)): In<(String, String)>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    assert_eq!(service, "api-gateway:3000");
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let url = front.containers.lock().await.gateway.url(&format!("/{path}{query}"));
    let mut sent = reqwest::Client::new().request(request.method().clone(), url);
    if let Some(kind) = request.headers().get("content-type") {
        sent = sent.header("content-type", kind);
    }
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let answer = sent.body(body).send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap()).into_response()
}

/// Runs a command in a pod as a kubelet does over a WebSocket: a frame begins with its channel, 1 and 2 for the
/// command's output, 3 for how it ended.
async fn exec(
    State(front): State<Front>,
    In(pod): In<String>,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    assert_eq!(pod, "billing-database-0");
    let url = reqwest::Url::parse(&format!("http://pod/?{}", query.unwrap())).unwrap();
    let words = url.query_pairs().filter(|(key, _)| key == "command").map(|(_, word)| word.into_owned());
    let words: Vec<_> = words.collect();
    upgrade.protocols(["v5.channel.k8s.io", "v4.channel.k8s.io"]).on_upgrade(async move |mut socket| {
        assert_eq!(words[0], "psql");
        let mut psql = front.containers.lock().await.databases.psql(&words[1..]);
        let output = tokio::task::spawn_blocking(move || psql.output().unwrap()).await.unwrap();
        let status = match output.status.code() {
            Some(0) => json!({"status": "Success", "metadata": {}}),
            code => {
                let message = format!("command terminated with exit code {}", code.unwrap_or(-1));
                json!({"status": "Failure", "message": message, "reason": "NonZeroExitCode", "metadata": {}})
            }
        };
        for (channel, bytes) in [(1, output.stdout), (2, output.stderr), (3, status.to_string().into_bytes())] {
            let frame = [vec![channel], bytes].concat();
            socket.send(Message::Binary(frame.into())).await.unwrap();
        }
        let _ = socket.send(Message::Close(None)).await;
    })
}
