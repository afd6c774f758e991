//! Passes requests on to the inventory, with bodies as they come.

use std::{error::Error, time::Duration};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{Method, StatusCode, Uri, Version, header::HOST, uri::PathAndQuery},
    response::Response,
};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tower_http::timeout::TimeoutBody;

use crate::{headers::remove_hop_by_hop, problem::Problem};

const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(15);
const PROBE: Duration = Duration::from_secs(1);
/// How long either side may pause while it sends a body.
const STALL: Duration = Duration::from_secs(10);
const KEEP: Duration = Duration::from_secs(30);
/// Answers up to this size are read whole first: where one breaks off, the client gets a reason and not half of it.
const SMALL: u64 = 64 * 1024;

pub struct Inventory {
    url: Uri,
    client: Client<HttpConnector, Body>,
}

enum Trouble {
    Unreachable(String),
    /// The connection closed before the answer was whole.
    Broken(String),
    /// The client's own body did not come to its end.
    Client(String),
}

impl Inventory {
    /// `url` is scheme, host and port.
    pub fn new(url: Uri) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP)
            .pool_max_idle_per_host(64)
            .build(connector);
        Self { url, client }
    }

    /// Returns why the inventory is not ready, if it is not.
    pub async fn trouble(&self) -> Option<String> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = self.at(&PathAndQuery::from_static("/health/ready"));
        let ask = async {
            let answer = self.client.request(request).await.map_err(|error| chain(&error))?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(|error| chain(&error))?.to_bytes();
            if status.is_success() { Ok(()) } else { Err(format!("{status} {}", String::from_utf8_lossy(&body))) }
        };
        let late = |_| Err("it does not answer in time".into());
        let why = timeout(PROBE, ask).await.unwrap_or_else(late).err()?;
        Some(format!("the inventory at {} is not ready: {why}", self.url))
    }

    /// Returns the inventory's answer, or 502 or 504 with the reason why there is none.
    pub async fn forward(&self, request: Request) -> Result<Response, Problem> {
        let answer = timeout(ANSWER, self.exchange(request)).await.unwrap_or_else(|_| {
            Err(Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                format!("the inventory at {} did not answer within {} s", self.url, ANSWER.as_secs()),
            ))
        });
        answer.map(|mut answer| {
            remove_hop_by_hop(answer.headers_mut());
            answer
        })
    }

    async fn exchange(&self, request: Request) -> Result<Response, Problem> {
        let (mut parts, body) = request.into_parts();
        parts.uri = self.at(parts.uri.path_and_query().unwrap_or(&PathAndQuery::from_static("/")));
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        parts.headers.remove(HOST);
        remove_hop_by_hop(&mut parts.headers);
        // A kept connection may have been closed at this very moment: what changes nothing is asked once more.
        let again = (parts.method == Method::GET && body.is_end_stream()).then(|| parts.clone());
        let body = if body.is_end_stream() { body } else { Body::new(TimeoutBody::new(STALL, body)) };
        let mut outcome = self.exchange_once(Request::from_parts(parts, body)).await;
        if let Some(parts) = again
            && matches!(outcome, Err(Trouble::Broken(_)))
        {
            outcome = self.exchange_once(Request::from_parts(parts, Body::empty())).await;
        }
        outcome.map_err(|trouble| match trouble {
            Trouble::Unreachable(why) => self.bad_gateway("cannot be reached", &why),
            Trouble::Broken(why) => self.bad_gateway("broke off its answer", &why),
            Trouble::Client(why) => {
                Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the body of the request does not come: {why}"))
            }
        })
    }

    async fn exchange_once(&self, request: Request) -> Result<Response, Trouble> {
        let answer = self.client.request(request).await.map_err(|error| {
            let user = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
            match error.is_connect() {
                true => Trouble::Unreachable(chain(&error)),
                false if user.is_some_and(hyper::Error::is_user) => Trouble::Client(chain(&error)),
                false => Trouble::Broken(chain(&error)),
            }
        })?;
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(parts, read(body).await.map_err(|error| Trouble::Broken(chain(&error)))?))
    }

    fn at(&self, path: &PathAndQuery) -> Uri {
        let mut parts = self.url.clone().into_parts();
        parts.path_and_query = Some(path.clone());
        Uri::from_parts(parts).unwrap_or_default()
    }

    fn bad_gateway(&self, what: &str, why: &str) -> Problem {
        Problem::new(StatusCode::BAD_GATEWAY, format!("the inventory at {} {what}: {why}", self.url))
    }
}

async fn read(body: Incoming) -> hyper::Result<Body> {
    if body.size_hint().exact().is_some_and(|size| size <= SMALL) {
        Ok(Body::from(body.collect().await?.to_bytes()))
    } else {
        Ok(Body::new(TimeoutBody::new(STALL, body)))
    }
}

/// Returns an error with its causes in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
