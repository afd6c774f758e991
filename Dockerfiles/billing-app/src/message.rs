//! A message of the queue: how it is told from others, and what becomes of one that is no order.

use lapin::{
    BasicProperties, Channel, Confirmation, message::Delivery, options::BasicPublishOptions, types::AMQPValue,
};
use tracing::warn;
use uuid::Uuid;

use crate::{order::Order, orders::Key};

const PERSISTENT: u8 = 2;
const LONGEST_REASON: usize = 300;

/// A message is known by its id. One without (published by hand) is known by its text: when the broker delivers it
/// first it is new, also if its text is not; when the broker delivers it again it is new if no order has that text.
pub fn key(delivery: &Delivery) -> Key {
    let given = delivery.properties.message_id().as_ref().map(ToString::to_string);
    if let Some(id) = given.filter(|id| !id.is_empty() && !id.contains('\0')) {
        return Key { id, or_begins: None };
    }
    let begin = format!("text-{}-", Uuid::new_v5(&Uuid::NAMESPACE_OID, &delivery.data));
    Key { id: format!("{begin}{}", Uuid::new_v4()), or_begins: delivery.redelivered.then_some(begin) }
}

/// Reads the order of a message. The error lists every problem.
pub fn parse(message: &[u8]) -> Result<Order, String> {
    let order = serde_json::from_slice(message).map_err(|error| format!("not JSON: {error}"))?;
    Order::from_json(&order).map_err(|problems| problems.join("; "))
}

/// Puts a message that can never be taken into another queue, with the reason in its header `x-reason`.
pub async fn bury(channel: &Channel, queue: &str, delivery: &Delivery, reason: &str) -> Result<(), String> {
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    let confirm = channel
        .basic_publish(
            "".into(),
            queue.into(),
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            &delivery.data,
            properties(delivery, &reason),
        )
        .await;
    match async { confirm?.await }.await {
        Ok(Confirmation::Ack(None)) => {
            warn!("a message went to the queue {queue}: {reason}");
            Ok(())
        }
        Ok(_) => Err(format!("the broker did not take a message for the queue {queue}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Those of the original that do not make the broker expire or refuse it.
fn properties(delivery: &Delivery, reason: &str) -> BasicProperties {
    let original = &delivery.properties;
    let mut headers = original.headers().clone().unwrap_or_default();
    headers.insert("x-reason".into(), AMQPValue::LongString(reason.into()));
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers);
    if let Some(id) = original.message_id() {
        properties = properties.with_message_id(id.clone());
    }
    if let Some(content_type) = original.content_type() {
        properties = properties.with_content_type(content_type.clone());
    }
    properties
}
