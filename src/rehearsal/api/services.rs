//! Cluster addresses and node ports of Services.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::write::text;
use crate::rehearsal::{
    object::status::{Cause, Status},
    resource::{Resource, of},
    store::{ChangeKind, Object, Store},
};

/// K3s's `--service-cidr`, and the part of it that is not kept for addresses that somebody asks for by value.
const NETWORK: &str = "10.43.0.0/16";
const FIRST: u32 = u32::from_be_bytes([10, 43, 1, 0]);
const LAST: u32 = u32::from_be_bytes([10, 43, 255, 254]);
const PORTS: std::ops::RangeInclusive<u64> = 30000..=32767;

/// What one service holds.
#[derive(Debug, Default)]
struct Held {
    addresses: Vec<String>,
    ports: Vec<(u64, String)>,
}

#[derive(Debug, Default)]
struct Taken {
    /// The store's version that this is of.
    version: u64,
    services: HashMap<(String, String), Held>,
}

/// Gives out addresses and ports, each once. It follows the store, so it knows of services that others put there.
#[derive(Debug, Default)]
pub(super) struct Allocator(Mutex<Taken>);

/// The allocator while a service is written; does nothing for other kinds.
pub(super) struct Allocation<'a>(Option<MutexGuard<'a, Taken>>);

impl Allocator {
    /// Keeps other services from being written until the returned value is dropped.
    pub fn lock(&self, store: &Store, resource: &Resource) -> Allocation<'_> {
        if resource != of("Service") {
            return Allocation(None);
        }
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.follow(store);
        Allocation(Some(taken))
    }
}

impl Allocation<'_> {
    /// Fills in the addresses and ports that the service needs; on an update, those of `before` are kept.
    ///
    /// # Errors
    /// 422 when an asked address or port is taken or out of range.
    pub fn allocate(&mut self, service: &mut Value, before: Option<&Value>) -> Result<(), Status> {
        let Some(taken) = &self.0 else { return Ok(()) };
        let place = (text(service, "/metadata/namespace").to_owned(), text(service, "/metadata/name").to_owned());
        if let Some(before) = before {
            keep(service, before);
        }
        let refuse = |cause| Status::invalid(of("Service"), &place.1, vec![cause]);
        taken.allocate_address(service, &place).map_err(refuse)?;
        taken.allocate_ports(service, &place).map_err(refuse)
    }
}

impl Taken {
    fn follow(&mut self, store: &Store) {
        let service = of("Service");
        match store.changes_since(service, self.version) {
            Ok((changes, version)) if self.version > 0 => {
                for change in changes {
                    let key = &change.object.key;
                    let place = (key.namespace.clone(), key.name.clone());
                    match change.kind {
                        ChangeKind::Deleted => self.services.remove(&place),
                        _ => self.services.insert(place, held(&change.object)),
                    };
                }
                self.version = version;
            }
            _ => {
                let (objects, version) = store.list(service, None);
                let held = |object: &std::sync::Arc<Object>| {
                    ((object.key.namespace.clone(), object.key.name.clone()), held(object))
                };
                *self = Self { version, services: objects.iter().map(held).collect() };
            }
        }
    }

    fn others<'a>(&'a self, place: &'a (String, String)) -> impl Iterator<Item = &'a Held> {
        self.services.iter().filter(move |(other, _)| *other != place).map(|(_, held)| held)
    }

    fn allocate_address(&self, service: &mut Value, place: &(String, String)) -> Result<(), Cause> {
        let asked = text(service, "/spec/clusterIP").to_owned();
        if service["spec"]["type"] == "ExternalName" || !service["spec"].is_object() {
            return Ok(());
        }
        let taken: HashSet<&str> = self.others(place).flat_map(|held| &held.addresses).map(String::as_str).collect();
        let address = match asked.as_str() {
            "None" => asked,
            "" => free_address(&taken, place).ok_or_else(|| {
                Cause::new("spec.clusterIPs", "InternalError", "failed to allocate a serviceIP: range is full")
            })?,
            _ => check_address(asked, &taken)?,
        };
        service["spec"]["clusterIPs"] = json!([address]);
        service["spec"]["clusterIP"] = json!(address);
        Ok(())
    }

    fn allocate_ports(&self, service: &mut Value, place: &(String, String)) -> Result<(), Cause> {
        let exposed = matches!(text(service, "/spec/type"), "NodePort" | "LoadBalancer");
        let ports = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
        let Some(ports) = ports.filter(|_| exposed) else { return Ok(()) };
        let mut taken: HashSet<(u64, String)> =
            self.others(place).flat_map(|held| held.ports.iter().cloned()).collect();
        for (n, port) in ports.iter().enumerate() {
            let Some(number) = node_port(port) else { continue };
            let refuse = |why| Err(Cause::invalid(format!("spec.ports[{n}].nodePort"), &number.to_string(), why));
            if !PORTS.contains(&number) {
                return refuse("provided port is not in the valid range. The range of valid ports is 30000-32767");
            }
            if !taken.insert((number, protocol(port))) {
                return refuse("provided port is already allocated");
            }
        }
        for (n, port) in ports.iter_mut().enumerate().filter(|(_, port)| node_port(port).is_none()) {
            let protocol = protocol(port);
            let seed = format!("{}/{}:{n}", place.0, place.1);
            let count = PORTS.end() - PORTS.start() + 1;
            let start = hash(&seed) % count;
            let mut candidates = (0..count).map(|step| PORTS.start() + (start + step) % count);
            let free = candidates.find(|number| taken.insert((*number, protocol.clone())));
            let full = || {
                Cause::new(
                    format!("spec.ports[{n}].nodePort"),
                    "InternalError",
                    "failed to allocate a nodePort: range is full",
                )
            };
            port["nodePort"] = json!(free.ok_or_else(full)?);
        }
        Ok(())
    }
}

/// Carries over from the stored service what a client need not repeat, and drops what a change of type ends.
fn keep(service: &mut Value, before: &Value) {
    let kind = |service: &Value| match text(service, "/spec/type") {
        "" => "ClusterIP".to_owned(),
        other => other.to_owned(),
    };
    let (old, new) = (kind(before), kind(service));
    if !service["spec"].is_object() {
        return;
    }
    if new == "ExternalName" {
        for field in ["clusterIP", "clusterIPs"] {
            if service["spec"].get(field) == before["spec"].get(field) {
                service["spec"].as_object_mut().expect("checked above").remove(field);
            }
        }
    } else if old != "ExternalName" && text(service, "/spec/clusterIP").is_empty() {
        service["spec"]["clusterIP"] = before["spec"]["clusterIP"].clone();
    }
    let empty = Vec::new();
    let old_ports = before["spec"]["ports"].as_array().unwrap_or(&empty);
    let ports = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        let same = |other: &&Value| other["port"] == port["port"] && protocol(other) == protocol(port);
        let known = old_ports.iter().find(same).and_then(node_port);
        if new == "ClusterIP" || new == "ExternalName" {
            if old != new && known == node_port(port) {
                port.as_object_mut().map(|port| port.remove("nodePort"));
            }
        } else if let (None, Some(known)) = (node_port(port), known) {
            port["nodePort"] = json!(known);
        }
    }
}

fn held(object: &Object) -> Held {
    let service = object.value();
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let address = text(&service, "/spec/clusterIP");
    Held {
        addresses: Some(address.to_owned())
            .into_iter()
            .filter(|address| !address.is_empty() && address != "None")
            .collect(),
        ports: ports.filter_map(|port| Some((node_port(port)?, protocol(port)))).collect(),
    }
}

fn node_port(port: &Value) -> Option<u64> {
    port["nodePort"].as_u64().filter(|number| *number > 0)
}

fn protocol(port: &Value) -> String {
    port["protocol"].as_str().unwrap_or("TCP").to_owned()
}

/// The same service gets the same address in every run, as far as it is free.
fn free_address(taken: &HashSet<&str>, place: &(String, String)) -> Option<String> {
    let count = LAST - FIRST + 1;
    let start = (hash(&format!("{}/{}", place.0, place.1)) % u64::from(count)) as u32;
    let mut candidates = (0..count).map(|step| Ipv4Addr::from(FIRST + (start + step) % count).to_string());
    candidates.find(|address| !taken.contains(address.as_str()))
}

fn check_address(asked: String, taken: &HashSet<&str>) -> Result<String, Cause> {
    let refuse = |why: String| {
        let value = format!("[]string{{{asked:?}}}");
        Err(Cause::invalid("spec.clusterIPs", &value, &format!("failed to allocate IP {asked}: {why}")))
    };
    match asked.parse::<Ipv4Addr>() {
        Ok(address) if address.octets()[..2] == [10, 43] => {}
        _ => {
            return refuse(format!(
                "the provided IP ({asked}) is not in the valid range. The range of valid IPs is {NETWORK}"
            ));
        }
    }
    if taken.contains(asked.as_str()) {
        return refuse("provided IP is already allocated".into());
    }
    Ok(asked)
}

fn hash(seed: &str) -> u64 {
    let digest = Sha256::digest(seed);
    u64::from_be_bytes(digest[..8].try_into().expect("a digest is longer than eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, kind: &str, port: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "a"},
            "spec": {"type": kind, "ports": [port]}})
    }

    struct Cluster(Store, Allocator, #[expect(dead_code, reason = "keeps the folder")] tempfile::TempDir);

    fn cluster() -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        Cluster(Store::open(&folder.path().join("log")).unwrap(), Allocator::default(), folder)
    }

    impl Cluster {
        fn create(&self, mut service: Value) -> Result<Value, String> {
            let mut allocation = self.1.lock(&self.0, of("Service"));
            allocation.allocate(&mut service, None).map_err(|status| status.message)?;
            self.0.create(of("Service"), service.clone()).unwrap();
            Ok(service)
        }

        fn update(&self, mut service: Value, before: &Value) -> Value {
            self.1.lock(&self.0, of("Service")).allocate(&mut service, Some(before)).unwrap();
            service
        }
    }

    #[test]
    fn addresses_are_given_kept_and_never_shared() {
        let cluster = cluster();
        let one = cluster.create(service("one", "ClusterIP", json!({"port": 80}))).unwrap();
        let address = one["spec"]["clusterIP"].as_str().unwrap();
        assert!(address.starts_with("10.43."), "{address}");
        let mut thief = service("two", "ClusterIP", json!({"port": 80}));
        thief["spec"]["clusterIP"] = json!(address);
        let refused = cluster.create(thief).unwrap_err();
        assert!(refused.ends_with(": provided IP is already allocated"), "{refused}");
        let again = cluster.update(service("one", "ClusterIP", json!({"port": 81})), &one);
        assert_eq!(again["spec"]["clusterIPs"], json!([address]));
        let mut headless = service("three", "ClusterIP", json!({"port": 80}));
        headless["spec"]["clusterIP"] = json!("None");
        assert_eq!(cluster.create(headless).unwrap()["spec"]["clusterIPs"], json!(["None"]));
    }

    #[test]
    fn node_ports_are_given_kept_and_never_shared() {
        let cluster = cluster();
        let one = cluster.create(service("one", "NodePort", json!({"port": 80, "nodePort": 30000}))).unwrap();
        let refused = cluster.create(service("two", "NodePort", json!({"port": 80, "nodePort": 30000})));
        let text = "Service \"two\" is invalid: spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated";
        assert_eq!(refused.unwrap_err(), text);
        let refused = cluster.create(service("two", "NodePort", json!({"port": 80, "nodePort": 80})));
        assert!(refused.unwrap_err().contains("The range of valid ports is 30000-32767"));
        let free = cluster.create(service("two", "LoadBalancer", json!({"port": 80}))).unwrap();
        assert!(PORTS.contains(&free["spec"]["ports"][0]["nodePort"].as_u64().unwrap()));
        let again = cluster.update(service("one", "NodePort", json!({"port": 80})), &one);
        assert_eq!(again["spec"]["ports"][0]["nodePort"], 30000);
        let inner = cluster.update(service("one", "ClusterIP", json!({"port": 80, "nodePort": 30000})), &one);
        assert_eq!(inner["spec"]["ports"][0].get("nodePort"), None);
    }
}
