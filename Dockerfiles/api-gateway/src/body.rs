//! Bodies that are read whole before anything is done with them.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::problem::Problem;

/// How long a client may pause while it sends.
const STALL: Duration = Duration::from_secs(10);
/// What is too large is read all the same, up to here: a client that is cut off while it sends sees no answer.
const LISTEN: usize = 64 * 1024 * 1024;

/// Passes on a request whose body has at most so many bytes.
pub async fn limit(largest: usize, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = read(largest, body).await?;
    Ok(next.run(Request::from_parts(parts, body.into())).await)
}

async fn read(largest: usize, mut body: Body) -> Result<Bytes, Problem> {
    let (mut kept, mut received) = (Vec::new(), 0);
    while received < LISTEN {
        let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body of the request does not come");
        let Some(frame) = timeout(STALL, body.frame()).await.map_err(late)? else { break };
        let frame = frame.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        received += data.len();
        if received <= largest {
            kept.extend_from_slice(&data);
        }
    }
    if received <= largest {
        return Ok(kept.into());
    }
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {largest} bytes")))
}
