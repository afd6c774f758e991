//! A running cluster for tests: a real store in a temporary folder, a fast pace, and patient questions.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Control, start,
    world::{Node, Pace, World},
};
use crate::{
    model::Role,
    rehearsal::{faults::Faults, resource::of, store::Store},
};

pub struct Cluster {
    pub store: Arc<Store>,
    pub world: Arc<World>,
    control: Option<Control>,
    _folder: TempDir,
}

pub fn pace() -> Pace {
    let ms = Duration::from_millis;
    Pace { pull: ms(4), start: ms(2), ready: ms(3), node_ready: ms(5), back_off: ms(40) }
}

pub fn node(name: &str, role: Role) -> Node {
    Node {
        name: name.into(),
        role,
        address: format!("192.168.56.{}", 10 + name.len()),
        version: "v1.33.5+k3s1".into(),
        cpus: 4,
        memory: 4 << 30,
        running: true,
        images: Vec::new(),
        kubelet: None,
    }
}

impl Cluster {
    /// A server and an agent, with nothing switched off.
    pub fn new(faults: Faults) -> Self {
        Self::of(faults, [node("server-1", Role::Server), node("agent-1", Role::Agent)])
    }

    pub fn of(faults: Faults, nodes: impl IntoIterator<Item = Node>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("log")).unwrap());
        let world = Arc::new(World::new(faults, pace()));
        nodes.into_iter().for_each(|node| world.join(node));
        let control = Some(start(store.clone(), world.clone()));
        let cluster = Self { store, world, control, _folder: folder };
        cluster.until("the namespace default", || cluster.find("Namespace", "default").is_some());
        cluster
    }

    /// Stops the controllers and starts new ones that know nothing.
    pub fn restart(&mut self) {
        drop(self.control.take());
        self.control = Some(start(self.store.clone(), self.world.clone()));
    }

    pub fn find(&self, kind: &str, name: &str) -> Option<Value> {
        let namespace = if of(kind).namespaced { "default" } else { "" };
        self.store.get(of(kind), namespace, name).map(|object| object.value())
    }

    pub fn get(&self, kind: &str, name: &str) -> Value {
        self.find(kind, name).unwrap_or(Value::Null)
    }

    pub fn list(&self, kind: &str) -> Vec<Value> {
        let namespace = of(kind).namespaced.then_some("default");
        self.store.list(of(kind), namespace).0.iter().map(|object| object.value()).collect()
    }

    /// Stores an object given by kind, name and the rest.
    pub fn create(&self, kind: &str, name: &str, rest: Value) {
        let mut value = super::context::new_object(kind, "default", name);
        for (key, part) in rest.as_object().unwrap() {
            match (key.as_str(), part.as_object()) {
                ("metadata", Some(part)) => part.iter().for_each(|(key, text)| value["metadata"][key] = text.clone()),
                _ => value[key] = part.clone(),
            }
        }
        crate::rehearsal::object::defaults::apply(of(kind), &mut value);
        self.store.create(of(kind), value).expect("the name is free");
    }

    pub fn change(&self, kind: &str, name: &str, change: impl Fn(&mut Value)) {
        let namespace = if of(kind).namespaced { "default" } else { "" };
        let object = self.store.get(of(kind), namespace, name).expect("it is there");
        self.store.modify(&object.key, |object| {
            let mut value = object.value();
            change(&mut value);
            Some(value)
        });
    }

    /// Asks for deletion as the API does.
    pub fn delete(&self, kind: &str, name: &str, finalizer: Option<&str>) {
        self.change(kind, name, |value| {
            value["metadata"]["deletionTimestamp"] = json!(super::condition::now());
            if let Some(finalizer) = finalizer {
                value["metadata"]["finalizers"] = json!([finalizer]);
            }
        });
    }

    pub fn remove(&self, kind: &str, name: &str) {
        let namespace = if of(kind).namespaced { "default" } else { "" };
        let object = self.store.get(of(kind), namespace, name).expect("it is there");
        self.store.remove(&object).expect("nobody else changes it");
    }

    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds() {
            if Instant::now() > deadline {
                let pods: Vec<_> = self.list("Pod").iter().map(|pod| pod["status"].to_string()).collect();
                panic!("waited in vain for {what}\n{}\n{}", pods.join("\n"), self.events().join("\n"));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Returns `Kind/name reason: message` of every event in the namespace.
    pub fn events(&self) -> Vec<String> {
        let events = self.list("Event").into_iter().map(|event| {
            let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let about = format!("{}/{}", text("/involvedObject/kind"), text("/involvedObject/name"));
            format!("{about} {}: {}", text("/reason"), text("/message"))
        });
        events.collect()
    }

    pub fn told(&self, part: &str) -> bool {
        self.events().iter().any(|event| event.contains(part))
    }

    pub fn ready_pods(&self, app: &str) -> usize {
        self.pods(app).iter().filter(|pod| super::condition::holds(&pod["status"], "Ready")).count()
    }

    pub fn pods(&self, app: &str) -> Vec<Value> {
        self.list("Pod").into_iter().filter(|pod| pod["metadata"]["labels"]["app"] == app).collect()
    }

    /// Returns why the first container of the first pod waits.
    pub fn waits(&self, app: &str) -> String {
        let pods = self.pods(app);
        let reason = pods.first().map(|pod| &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]);
        reason.and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// A pod template with one container.
pub fn template(app: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {
            "containers": [{"name": app, "image": image, "imagePullPolicy": "IfNotPresent", "resources": {}}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler",
        },
    })
}

/// The rest of a Deployment or another workload with a selector.
pub fn workload(app: &str, replicas: i64) -> Value {
    json!({"spec": {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": app}},
        "template": template(app, &format!("{app}:1")),
        "serviceName": app,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "updateStrategy": {"type": "RollingUpdate"},
        "podManagementPolicy": "OrderedReady",
    }, "status": {}})
}
