//! The rehearsal's API as the kube client sees it.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, pin_mut};
use http::Request;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api as Collection, Client, Config, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    discovery::Discovery,
    runtime::watcher,
};
use orchestrator::rehearsal::{
    api::{Api, Phase, Reply, answer, serve},
    pki::Tls,
    resource::{RESOURCES, of},
    store::Store,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, time::timeout};

const SOON: Duration = Duration::from_secs(10);

struct Rehearsal {
    client: Client,
    api: Arc<Api>,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

async fn rehearsal() -> Rehearsal {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::load(folder.path()).unwrap();
    let store = Arc::new(Store::open(&folder.path().join("log")).unwrap());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}});
    store.create(of("Namespace"), namespace).unwrap();
    let api = Arc::new(Api::new(store, "token", tls.ca.clone(), "v1.33.5+k3s1"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap());
    let ca = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &tls.ca);
    let kubeconfig: Kubeconfig = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "r",
        "clusters": [{"name": "r", "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": "r", "user": {"token": "token"}}],
        "contexts": [{"name": "r", "context": {"cluster": "r", "user": "r"}}],
    }))
    .unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move { drop(stopped.await) };
    let server = tokio::spawn(serve(listener, tls, api.clone(), shutdown));
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Rehearsal { client: Client::try_from(config).unwrap(), api, stop, server, _folder: folder }
}

async fn get(rehearsal: &Rehearsal, path: &str) -> Reply {
    let request = Request::get(path).header("authorization", "Bearer token").body(Bytes::new()).unwrap();
    answer(rehearsal.api.clone(), request).await
}

fn config_map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": {"v": value}}, "data": {"k": value}})).unwrap()
}

fn deployment(replicas: i32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}})
}

#[tokio::test]
async fn discovery_apply_and_scale() {
    let r = rehearsal().await;
    let discovery = Discovery::new(r.client.clone()).run_aggregated().await.unwrap();
    let kind = kube::core::GroupVersionKind::gvk("apps", "v1", "Deployment");
    let (resource, _) = discovery.resolve_gvk(&kind).unwrap();
    assert!(Discovery::new(r.client.clone()).run().await.unwrap().resolve_gvk(&kind).is_some());

    let dynamic = Collection::<DynamicObject>::default_namespaced_with(r.client.clone(), &resource);
    let apply = PatchParams::apply("orchestrator").force();
    let first = dynamic.patch("web", &apply, &Patch::Apply(deployment(2))).await.unwrap();
    let again = dynamic.patch("web", &apply, &Patch::Apply(deployment(2))).await.unwrap();
    assert_eq!(first.resource_version(), again.resource_version());

    let typed = Collection::<Deployment>::default_namespaced(r.client.clone());
    let replicas = Patch::Merge(json!({"spec": {"replicas": 4}}));
    let scaled = typed.patch_scale("web", &PatchParams::default(), &replicas).await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(4));
    let metadata = typed.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(metadata.items[0].name_any(), "web");
    let refused = dynamic.patch("other", &apply, &Patch::Apply(deployment(1))).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 400));
}

#[tokio::test]
async fn a_watch_shows_what_enters_and_leaves_its_selector() {
    let r = rehearsal().await;
    let maps = Collection::<ConfigMap>::default_namespaced(r.client.clone());
    let params = WatchParams::default().labels("v=1");
    let version = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let events = maps.watch(&params, &version).await.unwrap();
    pin_mut!(events);
    maps.create(&PostParams::default(), &config_map("a", "0")).await.unwrap();
    for value in ["1", "1", "2"] {
        let labels = json!({"metadata": {"labels": {"v": value}}, "data": {"k": value}});
        maps.patch("a", &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
        maps.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"more": value}}))).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&"deleted") {
        seen.push(match timeout(SOON, events.try_next()).await.unwrap().unwrap().unwrap() {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            _ => "other",
        });
    }
    assert_eq!((seen[0], seen.len() >= 3), ("added", true), "{seen:?}");
}

#[tokio::test]
async fn watchers_begin_with_a_list_or_with_streamed_initial_events() {
    let r = rehearsal().await;
    let maps = Collection::<ConfigMap>::default_namespaced(r.client.clone());
    maps.create(&PostParams::default(), &config_map("a", "0")).await.unwrap();
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let events = watcher(maps.clone(), config);
        pin_mut!(events);
        let mut seen = Vec::new();
        while !matches!(seen.last(), Some(watcher::Event::InitDone)) {
            seen.push(timeout(SOON, events.try_next()).await.unwrap().unwrap().unwrap());
        }
        assert!(seen.iter().any(|event| matches!(event, watcher::Event::InitApply(map) if map.name_any() == "a")));
    }
}

#[tokio::test]
async fn a_watch_from_a_forgotten_version_is_told_so() {
    let r = rehearsal().await;
    let maps = Collection::<ConfigMap>::default_namespaced(r.client.clone());
    let mut object =
        r.api.store.create(of("ConfigMap"), json!({"metadata": {"name": "a", "namespace": "default"}})).unwrap();
    for n in 0..9000 {
        let mut value = object.value();
        value["data"] = json!({"k": n.to_string()});
        object = r.api.store.replace(&object, value).unwrap();
    }
    let events = maps.watch(&WatchParams::default(), "2").await.unwrap();
    pin_mut!(events);
    let event = timeout(SOON, events.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(event, WatchEvent::Error(status) if status.code == 410 && status.reason == "Expired"));
}

#[tokio::test]
async fn lists_come_in_pages_and_collections_go_at_once() {
    let r = rehearsal().await;
    let maps = Collection::<ConfigMap>::default_namespaced(r.client.clone());
    for n in 0..5 {
        maps.create(&PostParams::default(), &config_map(&format!("m{n}"), "0")).await.unwrap();
    }
    let page = maps.list(&ListParams::default().limit(3)).await.unwrap();
    assert_eq!((page.items.len(), page.metadata.remaining_item_count), (3, Some(2)));
    let token = page.metadata.continue_.unwrap();
    let rest = maps.list(&ListParams::default().limit(3).continue_token(&token)).await.unwrap();
    assert_eq!((rest.items.len(), rest.metadata.continue_), (2, None));
    let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
    maps.delete_collection(&dry, &ListParams::default()).await.unwrap();
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 5);
    maps.delete_collection(&DeleteParams::default(), &ListParams::default().labels("v=0")).await.unwrap();
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 0);
    let post = PostParams { dry_run: true, ..PostParams::default() };
    maps.create(&post, &config_map("dry", "0")).await.unwrap();
    assert!(maps.get_opt("dry").await.unwrap().is_none());
}

#[tokio::test]
async fn stopping_ends_watches_and_the_server() {
    let r = rehearsal().await;
    let pods = Collection::<Pod>::default_namespaced(r.client.clone());
    let events = pods.watch(&WatchParams::default(), "0").await.unwrap();
    pin_mut!(events);
    r.api.set_phase(Phase::Stopped);
    assert!(timeout(SOON, events.next()).await.unwrap().is_none());
    assert_eq!(get(&r, "/api/v1/pods").await.status(), 503);
    r.stop.send(()).unwrap();
    timeout(SOON, r.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn five_thousand_pods_are_listed_without_building_them() {
    let r = rehearsal().await;
    for n in 0..5000 {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}"), "namespace": "default"},
            "spec": {"nodeName": format!("n{}", n % 10), "containers": [{"name": "c", "image": "i:1"}]},
            "status": {"phase": "Running"}});
        r.api.store.create(of("Pod"), pod).unwrap();
    }
    let start = std::time::Instant::now();
    let reply = get(&r, "/api/v1/pods").await;
    let body = http_body_util::BodyExt::collect(reply.into_body()).await.unwrap().to_bytes();
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["items"].as_array().unwrap().len(), 5000);
    let on_node = ListParams::default().fields("spec.nodeName=n3");
    assert_eq!(Collection::<Pod>::all(r.client.clone()).list(&on_node).await.unwrap().items.len(), 500);
}

#[tokio::test]
async fn no_body_meets_a_bug() {
    let r = rehearsal().await;
    let shapes = [
        json!(1),
        json!("x"),
        json!([1]),
        json!(null),
        json!({"a": 1}),
        json!([{"name": 1}]),
        json!({"ports": "x",
        "template": {"metadata": 1, "spec": {"containers": {"a": 1}}}, "finalizers": 3, "replicas": "many"}),
    ];
    for resource in RESOURCES {
        let root = if resource.group.is_empty() { "/api".into() } else { format!("/apis/{}", resource.group) };
        let space = if resource.namespaced { "/namespaces/default" } else { "" };
        let collection = format!("{root}/{}{space}/{}", resource.version, resource.plural);
        let sane = json!({"apiVersion": resource.api_version(), "kind": resource.kind, "metadata": {"name": "x"}});
        send(&r, "POST", &collection, "application/json", &sane).await;
        for shape in &shapes {
            send(&r, "POST", &collection, "application/json", shape).await;
            send(&r, "DELETE", &format!("{collection}/nothing"), "application/json", shape).await;
            for field in ["metadata", "spec", "status", "data", "stringData"] {
                let mut body = sane.clone();
                body[field] = shape.clone();
                let patch = json!({field: shape});
                send(&r, "POST", &collection, "application/json", &body).await;
                send(&r, "PUT", &format!("{collection}/x"), "application/json", &body).await;
                for sub in ["", "/status", "/scale", "/finalize", "/eviction"] {
                    let path = format!("{collection}/x{sub}");
                    send(&r, "PUT", &path, "application/json", &body).await;
                    send(&r, "PATCH", &path, "application/merge-patch+json", &patch).await;
                    send(&r, "PATCH", &path, "application/strategic-merge-patch+json", &patch).await;
                    let apply = format!("{path}?fieldManager=m&force=true");
                    send(&r, "PATCH", &apply, "application/apply-patch+yaml", &body).await;
                }
            }
        }
        send(&r, "DELETE", &format!("{collection}/x"), "application/json", &json!({})).await;
    }
}

async fn send(rehearsal: &Rehearsal, method: &str, path: &str, media_type: &str, body: &Value) {
    let request = Request::builder().method(method).uri(path).header("authorization", "Bearer token");
    let request = request.header("content-type", media_type).body(Bytes::from(body.to_string())).unwrap();
    let reply = answer(rehearsal.api.clone(), request).await;
    let (status, body_of) = (reply.status(), http_body_util::BodyExt::collect(reply.into_body()));
    let text = String::from_utf8_lossy(&body_of.await.unwrap().to_bytes()).into_owned();
    assert!(!text.contains("met a bug"), "{method} {path} {body}: {status} {text}");
}
