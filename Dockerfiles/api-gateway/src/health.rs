//! What the kubelet and Prometheus ask.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header::CONTENT_TYPE},
};
use serde_json::{Value, json};

use crate::{problem::Problem, router::Shared};

pub async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

/// Always 200: a gateway that gives reasons serves better than none. The body says what does not work.
pub async fn ready(State(gateway): State<Shared>) -> Json<Value> {
    let (inventory, broker) = (gateway.inventory.trouble().await, gateway.broker.trouble());
    let status = if inventory.is_none() && broker.is_none() { "ready" } else { "degraded" };
    let word = |trouble: Option<String>| trouble.unwrap_or_else(|| "ready".into());
    Json(json!({ "status": status, "inventory": word(inventory), "broker": word(broker) }))
}

pub async fn metrics(State(gateway): State<Shared>) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    match gateway.metrics.text() {
        Ok(text) => Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)),
        Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
