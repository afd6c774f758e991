//! Responses.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use serde_json::Value;

use crate::rehearsal::object::status::Status;

/// A response's body: whole, or a stream that may have no end.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A response.
pub type Reply = Response<Body>;

pub(super) const JSON: &str = "application/json";

/// Answers with bytes.
pub(super) fn bytes(code: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()).boxed_unsync());
    *reply.status_mut() = code;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}

/// Answers with a JSON document.
pub fn json(code: StatusCode, value: &Value) -> Reply {
    bytes(code, JSON, value.to_string())
}

/// Answers with a text.
pub fn text(code: StatusCode, text: impl Into<String>) -> Reply {
    bytes(code, "text/plain; charset=utf-8", text.into())
}

/// Answers with a refusal.
pub fn refuse(status: &Status) -> Reply {
    let code = StatusCode::from_u16(status.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = json(code, &status.to_value());
    if let Some(seconds) = status.details["retryAfterSeconds"].as_u64() {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// Answers with a stream of chunks.
pub(super) fn stream(media_type: &'static str, chunks: impl Stream<Item = Bytes> + Send + 'static) -> Reply {
    let frames = futures::StreamExt::map(chunks, |chunk| Ok::<_, Infallible>(Frame::data(chunk)));
    let mut reply = Response::new(StreamBody::new(frames).boxed_unsync());
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}

/// Adds warnings, which kubectl prints.
pub(super) fn warn(mut reply: Reply, warnings: &[String]) -> Reply {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::try_from(format!("299 - \"{quoted}\"")) {
            reply.headers_mut().append(header::WARNING, value);
        }
    }
    reply
}

/// Joins encoded objects to a list document.
pub(super) fn list_document<'a>(head: &str, items: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let length: usize = items.clone().map(|item| item.len() + 1).sum();
    let mut document = BytesMut::with_capacity(head.len() + length + 16);
    document.extend_from_slice(head.as_bytes());
    document.extend_from_slice(b",\"items\":[");
    for (n, item) in items.enumerate() {
        if n > 0 {
            document.extend_from_slice(b",");
        }
        document.extend_from_slice(item);
    }
    document.extend_from_slice(b"]}\n");
    document.freeze()
}
