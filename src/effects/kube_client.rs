//! The real Kubernetes API, through kube-rs's client.

mod discovery;

use std::{cell::RefCell, rc::Rc, time::Duration};

use async_trait::async_trait;
use futures::{AsyncBufReadExt, StreamExt, stream::LocalBoxStream};
use http::{Method, Request};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::AttachParams,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::kube::{
    Connect, ExecOutput, FIELD_MANAGER, Kube, KubeError, LogQuery, ObjectRef, ServedKind, ServiceAnswer, ServiceRequest,
};
use crate::{
    failure::{Failure, KUBECONFIG_UNUSABLE},
    model::REHEARSAL,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One answer; watches and followed logs have none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A client for one cluster.
pub struct KubeClient {
    client: Client,
    kinds: RefCell<Option<Rc<[ServedKind]>>>,
}

/// Connects with [`KubeClient`]s.
pub struct Connector;

#[async_trait(?Send)]
impl Connect for Connector {
    async fn connect(&self, kubeconfig: &str) -> Result<Rc<dyn Kube>, Failure> {
        Ok(Rc::new(KubeClient::from_kubeconfig(kubeconfig).await?))
    }
}

impl KubeClient {
    /// Makes a client from the text of a kubeconfig. Nothing is sent yet.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn from_kubeconfig(text: &str) -> Result<Self, Failure> {
        let unusable = |error: &dyn std::fmt::Display| {
            Failure::new(&KUBECONFIG_UNUSABLE, "the cluster's kubeconfig cannot be used")
                .because(error)
                .hint("./orchestrator create")
        };
        let kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| unusable(&error))?;
        let options = KubeConfigOptions::default();
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(&error))?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| unusable(&error))?;
        Ok(Self { client, kinds: RefCell::new(None) })
    }

    /// Sends a request with a JSON body and returns the JSON answer.
    ///
    /// # Errors
    /// What the server refused, or that it did not answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Value, KubeError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, content_type)
            .header(http::header::ACCEPT, "application/json")
            .body(body)
            .map_err(|error| KubeError::Unreachable(error.to_string()))?;
        within(self.client.request::<Value>(request)).await
    }

    async fn get_json(&self, path: &str) -> Result<Value, KubeError> {
        self.send(Method::GET, path, "application/json", Vec::new()).await
    }

    async fn served(&self, api_version: &str, kind: &str) -> Result<ServedKind, KubeError> {
        let kinds = self.kinds().await?;
        kinds
            .iter()
            .find(|served| served.kind == kind && served.api_version == api_version)
            .cloned()
            .ok_or_else(|| KubeError::NoSuchKind(format!("{kind} in {api_version}")))
    }

    async fn path(&self, object: &ObjectRef) -> Result<String, KubeError> {
        let served = self.served(&object.api_version, &object.kind).await?;
        let namespace = served.namespaced.then_some(object.namespace.as_str());
        Ok(format!("{}/{}", collection(&served, namespace), object.name))
    }
}

fn collection(served: &ServedKind, namespace: Option<&str>) -> String {
    let root = if served.api_version.contains('/') { "/apis" } else { "/api" };
    match namespace {
        Some(namespace) => format!("{root}/{}/namespaces/{namespace}/{}", served.api_version, served.plural),
        None => format!("{root}/{}/{}", served.api_version, served.plural),
    }
}

async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, KubeError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, request).await {
        Ok(result) => result.map_err(error),
        Err(_) => Err(KubeError::Unreachable(format!("no answer for {} s", ANSWER_TIMEOUT.as_secs()))),
    }
}

fn error(error: kube::Error) -> KubeError {
    let kube::Error::Api(status) = error else {
        return KubeError::Unreachable(chain(&error));
    };
    let words = if status.message.is_empty() { status.reason.clone() } else { status.message.clone() };
    match (status.code, status.reason.as_str()) {
        (404, _) => KubeError::NotFound(words),
        (409, "AlreadyExists") => KubeError::AlreadyExists(words),
        (409, _) => KubeError::Conflict(words),
        (code, _) => KubeError::Refused(code, words),
    }
}

/// Returns an error with its causes on one line, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = next.source();
    }
    words
}

fn log_path(namespace: &str, pod: &str, query: &LogQuery, follow: bool) -> String {
    let mut path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?follow={follow}&previous={}", query.previous);
    if let Some(container) = &query.container {
        path = format!("{path}&container={container}");
    }
    if let Some(tail) = query.tail {
        path = format!("{path}&tailLines={tail}");
    }
    path
}

#[async_trait(?Send)]
impl Kube for KubeClient {
    async fn ready(&self) -> Result<(), KubeError> {
        let request =
            Request::get("/readyz").body(Vec::new()).map_err(|error| KubeError::Unreachable(error.to_string()))?;
        match within(self.client.request_text(request)).await {
            Err(KubeError::Refused(code, words)) => Err(KubeError::Refused(code, failing_checks(&words))),
            answer => answer.map(drop),
        }
    }

    async fn kinds(&self) -> Result<Rc<[ServedKind]>, KubeError> {
        if let Some(kinds) = self.kinds.borrow().clone() {
            return Ok(kinds);
        }
        let kinds: Rc<[ServedKind]> = self.discover().await?.into();
        self.kinds.replace(Some(kinds.clone()));
        Ok(kinds)
    }

    fn forget_kinds(&self) {
        self.kinds.replace(None);
    }

    async fn get(&self, object: &ObjectRef) -> Result<Value, KubeError> {
        self.get_json(&self.path(object).await?).await
    }

    async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Value>, KubeError> {
        let served = self.served(api_version, kind).await?;
        let mut path = collection(&served, namespace.filter(|_| served.namespaced));
        if !selector.is_empty() {
            path = format!("{path}?labelSelector={}", utf8_percent_encode(selector, NON_ALPHANUMERIC));
        }
        let mut list = self.get_json(&path).await?;
        let Value::Array(mut items) = list["items"].take() else { return Ok(Vec::new()) };
        for item in &mut items {
            item["apiVersion"] = api_version.into();
            item["kind"] = kind.into();
        }
        Ok(items)
    }

    async fn create(&self, object: &Value) -> Result<Value, KubeError> {
        let name = ObjectRef::of(object);
        let served = self.served(&name.api_version, &name.kind).await?;
        let namespace = served.namespaced.then_some(name.namespace.as_str());
        let path = format!("{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict", collection(&served, namespace));
        self.send(Method::POST, &path, "application/json", object.to_string().into_bytes()).await
    }

    async fn apply(&self, object: &Value, force: bool) -> Result<Value, KubeError> {
        let path = self.path(&ObjectRef::of(object)).await?;
        let path = format!("{path}?fieldManager={FIELD_MANAGER}&force={force}&fieldValidation=Strict");
        self.send(Method::PATCH, &path, "application/apply-patch+yaml", object.to_string().into_bytes()).await
    }

    async fn merge(&self, object: &ObjectRef, patch: &Value) -> Result<Value, KubeError> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", self.path(object).await?);
        self.send(Method::PATCH, &path, "application/merge-patch+json", patch.to_string().into_bytes()).await
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), KubeError> {
        let path = format!("{}?propagationPolicy=Background", self.path(object).await?);
        self.send(Method::DELETE, &path, "application/json", Vec::new()).await.map(drop)
    }

    async fn forget_pod(&self, namespace: &str, pod: &str) -> Result<(), KubeError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}?gracePeriodSeconds=0");
        self.send(Method::DELETE, &path, "application/json", Vec::new()).await.map(drop)
    }

    async fn evict(&self, namespace: &str, pod: &str) -> Result<(), KubeError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
        let evict = async |version: &str| {
            let metadata = json!({"name": pod, "namespace": namespace});
            let eviction = json!({"apiVersion": version, "kind": "Eviction", "metadata": metadata});
            self.send(Method::POST, &path, "application/json", eviction.to_string().into_bytes()).await.map(drop)
        };
        match evict("policy/v1").await {
            // Before Kubernetes 1.22 (kubernetes.io/docs/reference/using-api/deprecation-guide).
            Err(KubeError::Refused(400, words)) if words.contains("no kind \"Eviction\" is registered") => {
                evict("policy/v1beta1").await
            }
            answer => answer,
        }
    }

    async fn logs(&self, namespace: &str, pod: &str, query: &LogQuery) -> Result<String, KubeError> {
        let request = Request::get(log_path(namespace, pod, query, false))
            .body(Vec::new())
            .map_err(|error| KubeError::Unreachable(error.to_string()))?;
        within(self.client.request_text(request)).await
    }

    async fn follow_logs(
        &self,
        namespace: &str,
        pod: &str,
        query: &LogQuery,
    ) -> Result<LocalBoxStream<'static, Result<String, KubeError>>, KubeError> {
        let request = Request::get(log_path(namespace, pod, query, true))
            .body(Vec::new())
            .map_err(|error| KubeError::Unreachable(error.to_string()))?;
        let reader = self.client.request_stream(request).await.map_err(error)?;
        let lines = reader.lines().map(|line| line.map_err(|error| KubeError::Unreachable(error.to_string())));
        Ok(Box::pin(lines))
    }

    async fn containers_run(&self) -> Result<Result<(), String>, KubeError> {
        // Of a Service that is not there: a real cluster looks for it, a rehearsal has no way to any.
        let request = ServiceRequest {
            method: "GET".into(),
            namespace: "default".into(),
            service: "orchestrator-asks-for-nothing".into(),
            port: "80".into(),
            ..ServiceRequest::default()
        };
        let answer = self.ask_service(&request).await?;
        let words = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
        let words = words["message"].as_str().filter(|words| words.starts_with(REHEARSAL));
        Ok(words.map_or(Ok(()), |words| Err(words.to_owned())))
    }

    async fn ask_service(&self, request: &ServiceRequest) -> Result<ServiceAnswer, KubeError> {
        let ServiceRequest { method, namespace, service, port, path, json } = request;
        let uri = format!("/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy/{path}");
        let mut sent = Request::builder().method(method.as_str()).uri(uri);
        if json.is_some() {
            sent = sent.header(http::header::CONTENT_TYPE, "application/json");
        }
        let sent = sent.body(Body::from(json.clone().unwrap_or_default().into_bytes()));
        let sent = sent.map_err(|error| KubeError::Refused(400, format!("{method} {path}: {error}")))?;
        within(async {
            let answer = self.client.send(sent).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok(ServiceAnswer { status, body: String::from_utf8_lossy(&body).into_owned() })
        })
        .await
    }

    async fn exec(&self, namespace: &str, pod: &str, command: &[String]) -> Result<ExecOutput, KubeError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let streams = AttachParams::default().stdin(false).stdout(true).stderr(true);
        within(async {
            let mut process = pods.exec(pod, command, &streams).await?;
            let (mut out, mut err) = (process.stdout(), process.stderr());
            let status = process.take_status();
            let (stdout, stderr) = futures::join!(all_of(&mut out), all_of(&mut err));
            let status = match status {
                Some(status) => status.await.unwrap_or_default(),
                None => Default::default(),
            };
            let ok = status.status.as_deref() == Some("Success");
            Ok(ExecOutput { ok, because: status.message.unwrap_or_default(), stdout, stderr })
        })
        .await
    }
}

/// Reads a stream of a container to its end.
async fn all_of(stream: &mut Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // A connection that is cut shows in the status that does not come.
        let _ = stream.read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the checks of `/readyz` that fail, of its list of all.
fn failing_checks(words: &str) -> String {
    let failing: Vec<_> = words.lines().filter_map(|line| line.strip_prefix("[-]")).collect();
    if failing.is_empty() { words.into() } else { failing.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_checks_of_an_api_only_those_that_fail_are_told() {
        assert_eq!(
            failing_checks("[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed"),
            "etcd failed: reason withheld"
        );
        assert_eq!(failing_checks("not found"), "not found");
    }
}
