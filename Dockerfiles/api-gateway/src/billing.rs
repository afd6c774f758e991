//! Takes orders for billing.

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{order::Order, problem::Problem, router::Shared};

/// Answers 200 once the broker keeps the order.
pub async fn order(
    State(gateway): State<Shared>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(body) = body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let order = Order::from_json(&body)
        .map_err(|problems| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, problems.join("; ")))?;
    let id = Uuid::new_v4().to_string();
    let message = json!({
        "user_id": order.user_id,
        "number_of_items": order.number_of_items,
        "total_amount": order.total_amount,
    });
    let outcome = gateway.broker.publish(&id, message.to_string().as_bytes()).await;
    gateway.metrics.published(outcome.is_ok());
    outcome.map_err(|reason| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("whether the order is taken is not known: {reason}"))
    })?;
    Ok(Json(json!({ "status": "queued", "message_id": id })))
}
