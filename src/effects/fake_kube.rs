//! A cluster in a few lines, for tests.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use async_trait::async_trait;
use futures::stream::LocalBoxStream;
use serde_json::{Value, json};

use super::kube::{ExecOutput, Kube, KubeError, LogQuery, ObjectRef, ServedKind, ServiceAnswer, ServiceRequest};

/// Objects by `Kind namespace/name`.
#[derive(Default)]
pub struct FakeKube {
    objects: RefCell<BTreeMap<String, Value>>,
    version: Cell<u64>,
    pub applied: Cell<u64>,
    /// The next apply without force of this object meets a conflict.
    pub conflict: RefCell<Option<String>>,
    /// What the next requests for a list meet instead of it.
    pub list_errors: RefCell<VecDeque<KubeError>>,
    /// Why no containers run, if none do.
    pub no_containers: RefCell<Option<String>>,
    /// What Services answer, one after the other; then 200 and the request's own body.
    pub answers: RefCell<VecDeque<ServiceAnswer>>,
    /// How commands in pods end, one after the other; then well.
    pub printed: RefCell<VecDeque<ExecOutput>>,
    /// Every request to a Service and every command in a pod.
    pub asked: RefCell<Vec<String>>,
}

impl FakeKube {
    pub fn names(&self) -> Vec<String> {
        self.objects.borrow().keys().cloned().collect()
    }

    pub fn object(&self, name: &str) -> Value {
        self.objects.borrow()[name].clone()
    }

    /// Stores an object as the cluster itself would make it.
    pub fn put(&self, mut object: Value) -> Value {
        let key = ObjectRef::of(&object).to_string();
        self.version.set(self.version.get() + 1);
        object["metadata"]["resourceVersion"] = self.version.get().to_string().into();
        object["metadata"]["uid"] = key.clone().into();
        self.objects.borrow_mut().insert(key, object.clone());
        object
    }
}

fn merged(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merged(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn selected(object: &Value, selector: &str) -> bool {
    let Some((key, values)) = selector.split_once(" in (") else { return true };
    let label = object["metadata"]["labels"][key].as_str().unwrap_or_default();
    values.trim_end_matches(')').split(',').any(|value| value == label)
}

#[async_trait(?Send)]
impl Kube for FakeKube {
    async fn ready(&self) -> Result<(), KubeError> {
        Ok(())
    }

    async fn kinds(&self) -> Result<Rc<[ServedKind]>, KubeError> {
        let kind = |api_version: &str, kind: &str| ServedKind {
            api_version: api_version.into(),
            kind: kind.into(),
            plural: kind.to_lowercase(),
            namespaced: kind != "Namespace",
            verbs: vec!["list".into(), "delete".into()],
        };
        let core = ["Namespace", "ConfigMap", "Secret", "Pod", "Event", "PersistentVolumeClaim"];
        let apps = ["Deployment", "ReplicaSet", "StatefulSet"];
        Ok(core.map(|name| kind("v1", name)).into_iter().chain(apps.map(|name| kind("apps/v1", name))).collect())
    }

    fn forget_kinds(&self) {}

    async fn get(&self, object: &ObjectRef) -> Result<Value, KubeError> {
        let found = self.objects.borrow().get(&object.to_string()).cloned();
        found.ok_or_else(|| KubeError::NotFound(format!("{object} not found")))
    }

    async fn list(
        &self,
        _api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Value>, KubeError> {
        if let Some(error) = self.list_errors.borrow_mut().pop_front() {
            return Err(error);
        }
        let inside = |object: &Value| namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace);
        let objects = self.objects.borrow();
        let found = objects.values().filter(|object| object["kind"] == kind && inside(object));
        Ok(found.filter(|object| selected(object, selector)).cloned().collect())
    }

    async fn create(&self, object: &Value) -> Result<Value, KubeError> {
        Ok(self.put(object.clone()))
    }

    async fn apply(&self, object: &Value, force: bool) -> Result<Value, KubeError> {
        let reference = ObjectRef::of(object);
        if !force && self.conflict.borrow_mut().take_if(|name| *name == reference.to_string()).is_some() {
            return Err(KubeError::Conflict("conflict with \"kubectl\": .spec.replicas".into()));
        }
        self.applied.set(self.applied.get() + 1);
        let mut live = self.get(&reference).await.unwrap_or(json!({}));
        let before = live.clone();
        merged(&mut live, object);
        Ok(if live == before { live } else { self.put(live) })
    }

    async fn merge(&self, object: &ObjectRef, patch: &Value) -> Result<Value, KubeError> {
        let mut live = self.get(object).await?;
        merged(&mut live, patch);
        Ok(self.put(live))
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), KubeError> {
        let gone = self.objects.borrow_mut().remove(&object.to_string());
        gone.map(drop).ok_or_else(|| KubeError::NotFound(format!("{object} not found")))
    }

    async fn forget_pod(&self, namespace: &str, pod: &str) -> Result<(), KubeError> {
        let object =
            ObjectRef { api_version: "v1".into(), kind: "Pod".into(), namespace: namespace.into(), name: pod.into() };
        self.delete(&object).await
    }

    async fn evict(&self, _: &str, _: &str) -> Result<(), KubeError> {
        Ok(())
    }

    async fn logs(&self, _namespace: &str, pod: &str, _query: &LogQuery) -> Result<String, KubeError> {
        Ok(format!("last words of {pod}\n"))
    }

    async fn follow_logs(
        &self,
        _namespace: &str,
        _pod: &str,
        _query: &LogQuery,
    ) -> Result<LocalBoxStream<'static, Result<String, KubeError>>, KubeError> {
        Ok(Box::pin(futures::stream::empty()))
    }

    async fn containers_run(&self) -> Result<Result<(), String>, KubeError> {
        Ok(self.no_containers.borrow().clone().map_or(Ok(()), Err))
    }

    async fn ask_service(&self, request: &ServiceRequest) -> Result<ServiceAnswer, KubeError> {
        self.asked
            .borrow_mut()
            .push(format!("{} {}:{}/{}", request.method, request.service, request.port, request.path));
        let next = self.answers.borrow_mut().pop_front();
        Ok(next.unwrap_or(ServiceAnswer { status: 200, body: request.json.clone().unwrap_or_default() }))
    }

    async fn exec(&self, _: &str, pod: &str, command: &[String]) -> Result<ExecOutput, KubeError> {
        self.asked.borrow_mut().push(format!("{pod}: {}", command.join(" ")));
        let next = self.printed.borrow_mut().pop_front();
        Ok(next.unwrap_or_else(|| ExecOutput { ok: true, ..ExecOutput::default() }))
    }
}
