//! Which path leads where, and what happens to every request.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, Uri},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::{any, get, post},
};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tracing::{debug, info};

use crate::{billing, body, broker::Broker, health, inventory::Inventory, metrics::Metrics, page, problem::Problem};

const LARGEST_ORDER: usize = 16 * 1024;

pub struct Gateway {
    pub inventory: Inventory,
    pub broker: Broker,
    pub metrics: Metrics,
}

pub type Shared = Arc<Gateway>;

pub fn router(gateway: Shared) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/openapi.json", get(page::openapi))
        .route("/api/movies", any(movies))
        .route("/api/movies/{*path}", any(movies))
        .route("/api/billing", post(billing::order).layer(from_fn(limit_order)))
        .route("/health", get(health::live))
        .route("/health/live", get(health::live))
        .route("/ready", get(health::ready))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(|uri: Uri| async move { Problem::new(StatusCode::NOT_FOUND, format!("there is no {}", uri.path())) })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} has no method {method}", uri.path()))
        })
        .layer(from_fn_with_state(Arc::clone(&gateway), observe))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .with_state(gateway)
}

async fn movies(State(gateway): State<Shared>, request: Request) -> Result<Response, Problem> {
    gateway.inventory.forward(request).await
}

async fn limit_order(request: Request, next: Next) -> Result<Response, Problem> {
    body::limit(LARGEST_ORDER, request, next).await
}

/// Counts and logs a request.
async fn observe(State(gateway): State<Shared>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let in_flight = gateway.metrics.begin();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().into());
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok().map(str::to_owned));
    let response = next.run(request).await;
    drop(in_flight);
    let (status, elapsed) = (response.status(), began.elapsed());
    gateway.metrics.answered(&route, &method, status, elapsed);
    let (status, id) = (status.as_u16(), id.unwrap_or_default());
    if path.starts_with("/api/") || status >= 400 {
        info!("{method} {path} {status} {} ms {id}", elapsed.as_millis());
    } else {
        debug!("{method} {path} {status} {} ms {id}", elapsed.as_millis());
    }
    response
}
