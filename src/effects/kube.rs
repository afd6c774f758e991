//! The Kubernetes API, as steps see it.

use std::{collections::HashMap, rc::Rc};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, LocalBoxStream},
};
use serde_json::Value;

use crate::{failure::Failure, model::NodeStatus};

/// How many requests are under way at the same time.
const PARALLEL: usize = 32;

/// The field manager of everything the orchestrator applies.
pub const FIELD_MANAGER: &str = "orchestrator";

/// A kind that the cluster serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedKind {
    /// `v1` or `apps/v1`.
    pub api_version: String,
    pub kind: String,
    pub plural: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
}

/// Why the API did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeError {
    /// 404.
    NotFound(String),
    /// 409 of a server-side apply or an update: who owns which fields, in the server's words.
    Conflict(String),
    /// 409 of a create.
    AlreadyExists(String),
    /// Any other answer of the server that is an error: its code and its words.
    Refused(u16, String),
    /// No answer.
    Unreachable(String),
    /// The cluster serves no such kind.
    NoSuchKind(String),
}

impl KubeError {
    /// Whether it may pass by itself: no answer, or a server that is starting, overloaded or without a leader.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Refused(429 | 500 | 502 | 503 | 504, _))
    }
}

impl std::fmt::Display for KubeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound(words) | Self::Conflict(words) | Self::AlreadyExists(words) | Self::Refused(_, words) => {
                f.write_str(words)
            }
            Self::Unreachable(words) => write!(f, "the Kubernetes API does not answer: {words}"),
            Self::NoSuchKind(kind) => write!(f, "the cluster serves no kind {kind}"),
        }
    }
}

/// Names an object: API version, kind, namespace (empty for cluster-wide ones) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl ObjectRef {
    /// Reads the reference out of an object.
    pub fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        }
    }
}

impl std::fmt::Display for ObjectRef {
    /// `Deployment microservices/api-gateway`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// Which lines of a container's log are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// The only container when `None`.
    pub container: Option<String>,
    /// Of the container's last life, not this one.
    pub previous: bool,
    pub tail: Option<u32>,
}

/// A request to a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceRequest {
    pub method: String,
    pub namespace: String,
    pub service: String,
    /// Its number or name.
    pub port: String,
    /// Without the first `/`, with what follows `?`.
    pub path: String,
    /// Sent as JSON.
    pub json: Option<String>,
}

/// What a Service answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAnswer {
    pub status: u16,
    pub body: String,
}

/// How a command in a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOutput {
    pub ok: bool,
    /// Why it did not end well, in the cluster's words.
    pub because: String,
    pub stdout: String,
    pub stderr: String,
}

/// A Kubernetes API.
#[async_trait(?Send)]
pub trait Kube {
    /// Returns when `/readyz` says ok.
    async fn ready(&self) -> Result<(), KubeError>;

    /// Returns the kinds that the cluster serves, in their preferred version; asked once, again after `forget_kinds`.
    async fn kinds(&self) -> Result<Rc<[ServedKind]>, KubeError>;

    /// Forgets the served kinds: custom resources were added.
    fn forget_kinds(&self);

    /// Returns the object.
    async fn get(&self, object: &ObjectRef) -> Result<Value, KubeError>;

    /// Returns the objects of a kind with these labels (a label selector, empty for all), in one namespace or in all.
    /// Each has its `apiVersion` and `kind`.
    async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Value>, KubeError>;

    /// Makes a new object.
    async fn create(&self, object: &Value) -> Result<Value, KubeError>;

    /// Server-side apply as [`FIELD_MANAGER`]; `force` takes fields over from other managers.
    async fn apply(&self, object: &Value, force: bool) -> Result<Value, KubeError>;

    /// JSON merge patch.
    async fn merge(&self, object: &ObjectRef, patch: &Value) -> Result<Value, KubeError>;

    /// Deletes in the background (dependents after the object).
    async fn delete(&self, object: &ObjectRef) -> Result<(), KubeError>;

    /// Removes a pod whose node is gone: there is nobody who could end it first.
    async fn forget_pod(&self, namespace: &str, pod: &str) -> Result<(), KubeError>;

    /// Ends a pod unless a disruption budget forbids it.
    async fn evict(&self, namespace: &str, pod: &str) -> Result<(), KubeError>;

    /// Returns lines of a container's log.
    async fn logs(&self, namespace: &str, pod: &str, query: &LogQuery) -> Result<String, KubeError>;

    /// Follows a container's log, line by line.
    async fn follow_logs(
        &self,
        namespace: &str,
        pod: &str,
        query: &LogQuery,
    ) -> Result<LocalBoxStream<'static, Result<String, KubeError>>, KubeError>;

    /// Whether containers run here, or why not: a rehearsal has none.
    async fn containers_run(&self) -> Result<Result<(), String>, KubeError>;

    /// Sends a request to a Service, through the API. What the API itself says, such as 503 for a Service without pods,
    /// is an answer too.
    async fn ask_service(&self, request: &ServiceRequest) -> Result<ServiceAnswer, KubeError>;

    /// Runs a command in a pod, in its first container.
    async fn exec(&self, namespace: &str, pod: &str, command: &[String]) -> Result<ExecOutput, KubeError>;
}

/// Connects to clusters.
#[async_trait(?Send)]
pub trait Connect {
    /// Returns the API that a kubeconfig names. Nothing need be sent yet.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    async fn connect(&self, kubeconfig: &str) -> Result<Rc<dyn Kube>, Failure>;
}

impl KubeError {
    /// Turns it into the failure of a request about `what`.
    pub fn into_failure(self, what: impl std::fmt::Display) -> Failure {
        Failure::new(&crate::failure::API_REQUEST_FAILED, what.to_string()).because(self).hint("./orchestrator status")
    }
}

/// Lists the objects of these kinds that match a selector, all kinds at the same time. Kinds that the cluster does
/// not serve have none.
pub async fn list_all(
    kube: &dyn Kube,
    kinds: impl IntoIterator<Item = (String, String)>,
    selector: &str,
) -> Result<HashMap<ObjectRef, Value>, Failure> {
    let lists = stream::iter(kinds)
        .map(async |(api_version, kind)| match kube.list(&api_version, &kind, None, selector).await {
            Err(KubeError::NoSuchKind(_) | KubeError::NotFound(_) | KubeError::Refused(405, _)) => Ok(Vec::new()),
            list => list.map_err(|error| error.into_failure(format!("cannot list objects of kind {kind}"))),
        })
        .buffer_unordered(PARALLEL)
        .collect::<Vec<_>>()
        .await;
    let mut objects = HashMap::new();
    for list in lists {
        objects.extend(list?.into_iter().map(|object| (ObjectRef::of(&object), object)));
    }
    Ok(objects)
}

/// Returns the nodes as Kubernetes reports them, by name.
///
/// # Errors
/// When the API does not answer.
pub async fn nodes(kube: &dyn Kube) -> Result<Vec<NodeStatus>, KubeError> {
    let nodes = kube.list("v1", "Node", None, "").await?;
    let mut nodes: Vec<_> = nodes.iter().map(node_status).collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(nodes)
}

/// Returns the later of a condition's two times.
fn reported(condition: &Value) -> Option<i64> {
    let time = |key: &str| condition[key].as_str()?.parse::<jiff::Timestamp>().ok();
    time("lastHeartbeatTime").max(time("lastTransitionTime")).map(jiff::Timestamp::as_second)
}

fn internal_address(node: &Value) -> Option<String> {
    let addresses = node["status"]["addresses"].as_array()?;
    let internal = addresses.iter().find(|address| address["type"] == "InternalIP")?;
    Some(internal["address"].as_str()?.to_owned())
}

fn node_status(node: &Value) -> NodeStatus {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    let is_ready = ready.is_some_and(|condition| condition["status"] == "True");
    let reason = match ready {
        Some(condition) => format!("{}: {}", text(&condition["reason"]), text(&condition["message"])),
        None => "the kubelet has not reported yet".into(),
    };
    NodeStatus {
        name: text(&node["metadata"]["name"]),
        ready: is_ready,
        version: text(&node["status"]["nodeInfo"]["kubeletVersion"]),
        reason: (!is_ready).then_some(reason),
        address: internal_address(node),
        reported: ready.and_then(reported),
        server: !node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"].is_null(),
    }
}
