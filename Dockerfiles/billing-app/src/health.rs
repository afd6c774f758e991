//! What the kubelet asks.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};

use crate::{consumer::Consumer, orders::Orders};

type Shared = State<Arc<(Orders, Consumer)>>;

pub fn router(billing: Arc<(Orders, Consumer)>) -> Router {
    Router::new()
        .route("/health/live", get(|| async { Json(json!({ "status": "live" })) }))
        .route("/health/ready", get(ready))
        .with_state(billing)
}

async fn ready(State(billing): Shared) -> (StatusCode, Json<Value>) {
    let (orders, consumer) = &*billing;
    let troubles: Vec<_> = orders.trouble().await.into_iter().chain(consumer.trouble()).collect();
    if troubles.is_empty() {
        (StatusCode::OK, Json(json!({ "status": "ready" })))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": troubles.join("; ") })))
    }
}
