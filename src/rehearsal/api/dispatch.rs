//! From a request to its handler.

use std::{panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures::FutureExt;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{
    Api, Phase,
    accept::{self, Shape},
    body,
    create::{Ownership, create},
    delete::{DeleteOptions, delete, delete_collection},
    discovery, eviction, health, list, logs, old_autoscaler, openapi,
    patch::patch,
    query::Query,
    reply::{self, Reply, refuse},
    review,
    route::{Route, Target, route},
    scale,
    server::ClientCertificate,
    update::{Part, update},
    watch,
    write::{Write, Written, existing},
};
use crate::{model::REHEARSAL, rehearsal::object::status::Status};

/// Answers one request.
pub async fn answer(api: Arc<Api>, request: Request<Bytes>) -> Reply {
    // A bug that one request meets must not end the connection that others share.
    let handled = AssertUnwindSafe(handle(api, request)).catch_unwind().await;
    handled.unwrap_or_else(|_| Err(Status::internal("the request met a bug"))).unwrap_or_else(|status| refuse(&status))
}

async fn handle(api: Arc<Api>, request: Request<Bytes>) -> Result<Reply, Status> {
    let path = request.uri().path().to_owned();
    let route = route(&path);
    if route == Route::Extension {
        authenticate(&api, &request)?;
        let extension = api.extension.get().cloned().ok_or_else(Status::no_such_path)?;
        return Ok(extension(request).await);
    }
    if route == Route::Supervisor {
        let supervisor = api.supervisor.get().cloned().ok_or_else(Status::no_such_path)?;
        return Ok(supervisor(request).await);
    }
    if api.phase() == Phase::Stopped {
        return Err(Status::unavailable(
            "K3s is not running in this rehearsal: its server machine is stopped or has not been set up yet",
        ));
    }
    let query = Query::parse(request.uri().query());
    let open = match route {
        Route::Ping | Route::CaCerts => true,
        Route::Health(_) | Route::Version => !api.private,
        _ => false,
    };
    if !open {
        authenticate(&api, &request)?;
    }
    match route {
        Route::Target(target) => at_target(api, target, &query, &request).await,
        Route::Review { group, plural } if request.method() == Method::POST => review::answer(group, plural),
        Route::OldAutoscalers(target) if request.method() == Method::POST => {
            let write = Write::new(&api, &target, &query, request.headers())?;
            old_autoscaler::create(&write, body::object(request.headers(), request.body())?)
        }
        _ if request.method() != Method::GET => Err(Status::method_not_allowed()),
        Route::Health(check) => Ok(health::health(&api, check, &query)),
        Route::Version => Ok(health::version(&api)),
        Route::Ping => Ok(reply::text(StatusCode::OK, "pong")),
        Route::CaCerts => Ok(reply::text(StatusCode::OK, api.ca.clone())),
        Route::CoreVersions => Ok(discovery::core(request.headers())),
        Route::Groups => Ok(discovery::named(request.headers())),
        Route::Group(group) => discovery::group(group),
        Route::Resources { group, version } => discovery::resources(group, version),
        Route::OldOpenApi => Ok(openapi::empty_v2()),
        Route::CustomResources => Ok(openapi::no_custom_resources()),
        Route::OpenApi(group_version) => api.openapi.answer(group_version),
        Route::Extension | Route::Supervisor | Route::Review { .. } | Route::OldAutoscalers(_) | Route::Unknown => {
            Err(Status::no_such_path())
        }
    }
}

fn authenticate(api: &Api, request: &Request<Bytes>) -> Result<(), Status> {
    if request.extensions().get::<ClientCertificate>().is_some() {
        return Ok(());
    }
    let given = request.headers().get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    let token = given.and_then(|given| given.strip_prefix(b"Bearer ")).unwrap_or_default();
    if token.ct_eq(api.token.as_bytes()).into() { Ok(()) } else { Err(Status::unauthorized()) }
}

async fn at_target(api: Arc<Api>, target: Target, query: &Query, request: &Request<Bytes>) -> Result<Reply, Status> {
    let method = request.method();
    let shape = accept::shape(request.headers());
    let changes = *method != Method::GET;
    if changes && query.dry_run().is_ok_and(|dry_run| !dry_run) {
        api.write_latency().await;
    }
    let warnings: Vec<_> = deprecation(&target).into_iter().collect();
    let reply = match (target.name.is_some(), target.subresource.as_deref()) {
        (false, _) => on_collection(api, target, query, request, shape),
        (true, None) => on_object(api, target, query, request, shape),
        (true, Some(subresource)) => {
            let subresource = subresource.to_owned();
            on_subresource(api, target, &subresource, query, request, shape)
        }
    };
    Ok(reply::warn(reply?, &warnings))
}

/// Returns what the real server warns of when the resource is used at all.
fn deprecation(target: &Target) -> Option<String> {
    let text = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
    (target.resource.kind == "Endpoints").then(|| text.to_owned())
}

fn on_collection(
    api: Arc<Api>,
    target: Target,
    query: &Query,
    request: &Request<Bytes>,
    shape: Shape,
) -> Result<Reply, Status> {
    match *request.method() {
        Method::GET if query.flag("watch") => watch::watch(api, target, query, shape),
        Method::GET => list::list(&api, &target, query, shape),
        Method::POST if target.resource.namespaced && target.namespace.is_none() => Err(Status::method_not_allowed()),
        Method::POST => {
            let write = Write::new(&api, &target, query, request.headers())?;
            let value = body::object(request.headers(), request.body())?;
            written(&target, create(&write, value, Ownership::Update)?, query, shape)
        }
        Method::DELETE => {
            let options = DeleteOptions::parse(&optional_body(request)?, query)?;
            delete_collection(&api, &target, query, &options)
        }
        _ => Err(Status::method_not_allowed()),
    }
}

fn on_object(
    api: Arc<Api>,
    target: Target,
    query: &Query,
    request: &Request<Bytes>,
    shape: Shape,
) -> Result<Reply, Status> {
    match *request.method() {
        Method::GET => list::one(StatusCode::OK, target.resource, &existing(&api, &target)?.raw, query, shape),
        Method::PUT | Method::PATCH => change(&api, &target, Part::Main, query, request, shape),
        Method::DELETE => delete(&api, &target, &DeleteOptions::parse(&optional_body(request)?, query)?),
        _ => Err(Status::method_not_allowed()),
    }
}

fn on_subresource(
    api: Arc<Api>,
    target: Target,
    subresource: &str,
    query: &Query,
    request: &Request<Bytes>,
    shape: Shape,
) -> Result<Reply, Status> {
    let resource = target.resource;
    let method = request.method();
    match (resource.kind, subresource) {
        (_, "status") if resource.status && method == Method::GET => {
            list::one(StatusCode::OK, resource, &existing(&api, &target)?.raw, query, shape)
        }
        (_, "status") if resource.status => change(&api, &target, Part::Status, query, request, shape),
        (_, "scale") if resource.scale => on_scale(&api, &target, query, request),
        ("Namespace", "finalize") => change(&api, &target, Part::Finalize, query, request, shape),
        ("Pod", "log") if method == Method::GET => logs::logs(api, target, query),
        ("Pod", "eviction") if method == Method::POST => {
            let eviction = optional_body(request)?;
            eviction::evict(&api, &target, &DeleteOptions::parse(&eviction["deleteOptions"], query)?)
        }
        (kind, subresource) => {
            let why = impossible(kind, subresource).ok_or_else(Status::no_such_path)?;
            if subresource != "proxy" {
                existing(&api, &target)?;
            }
            Err(Status::bad_request(format!("{REHEARSAL}: {why}")))
        }
    }
}

/// Returns why a subresource that a real cluster has cannot be had here.
fn impossible(kind: &str, subresource: &str) -> Option<&'static str> {
    Some(match (kind, subresource) {
        ("Pod", "exec") => {
            "no container runs, so there is none to run a command in; `kubectl logs` and `kubectl describe` work"
        }
        ("Pod", "attach") => "no container runs, so there is none to attach to; `kubectl logs` works",
        ("Pod", "portforward") => "no container runs, so there is no port to forward to",
        ("Pod", "ephemeralcontainers") => "no container runs, so there is none to debug; `kubectl describe` works",
        ("Pod" | "Service" | "Node", "proxy") => "no container runs, so nothing answers here",
        ("ServiceAccount", "token") => {
            "it issues no tokens, because no container runs that could use one; the token in the kubeconfig may do all"
        }
        _ => return None,
    })
}

fn on_scale(api: &Api, target: &Target, query: &Query, request: &Request<Bytes>) -> Result<Reply, Status> {
    let write = Write::new(api, target, query, request.headers())?;
    match *request.method() {
        Method::GET => scale::get(&write),
        Method::PUT => scale::update(&write, &body::object(request.headers(), request.body())?),
        Method::PATCH => scale::patch(&write, request.headers(), request.body()),
        _ => Err(Status::method_not_allowed()),
    }
}

fn change(
    api: &Api,
    target: &Target,
    part: Part,
    query: &Query,
    request: &Request<Bytes>,
    shape: Shape,
) -> Result<Reply, Status> {
    let write = Write::new(api, target, query, request.headers())?;
    let outcome = match *request.method() {
        Method::PUT => update(&write, body::object(request.headers(), request.body())?, part)?,
        Method::PATCH => patch(&write, part, request.headers(), query, request.body())?,
        _ => return Err(Status::method_not_allowed()),
    };
    written(target, outcome, query, shape)
}

fn written(target: &Target, written: Written, query: &Query, shape: Shape) -> Result<Reply, Status> {
    let code = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(reply::warn(list::one(code, target.resource, &written.raw, query, shape)?, &written.warnings))
}

fn optional_body(request: &Request<Bytes>) -> Result<Value, Status> {
    if request.body().is_empty() {
        return Ok(json!({}));
    }
    body::object(request.headers(), request.body())
}
