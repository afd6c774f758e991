//! What stands in front of moto: it writes down every call, adds what moto lacks of the real EC2 (`gaps`), and has calls
//! go wrong when told to.

mod call;
mod gaps;
mod reply;

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Runtime};

pub use call::Call;
use gaps::Account;
pub use gaps::Delays;
use reply::Reply;

use crate::moto::Moto;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is done, and the connection closed before anybody hears of it.
    Dropped,
    /// It is not done: 503.
    Unavailable,
    /// It is not done, and whoever made it waits for ever.
    HangsBefore,
    /// It is done, and whoever made it waits for ever.
    HangsAfter,
}

/// The proxy; it ends when it is dropped.
pub struct Proxy {
    /// Where the EC2 API is.
    pub url: String,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    moto: String,
    state: Mutex<State>,
    /// One `RunInstances` at a time: the second one with a token is answered as the first was.
    runs: tokio::sync::Mutex<()>,
    http: reqwest::Client,
}

struct State {
    calls: Vec<Call>,
    ordered: Option<Ordered>,
    /// A call hangs.
    hangs: bool,
    /// Every so many calls, one comes too fast.
    throttles: Option<usize>,
    caller: Ipv4Addr,
    account: Account,
}

struct Ordered {
    /// Calls of this action alone, where one is given.
    action: Option<String>,
    /// So many calls are let through before.
    before: usize,
    fault: Fault,
    /// The call that it happened to.
    met: Option<Call>,
}

impl Proxy {
    /// In front of `moto`, on a port of loopback.
    pub fn before(moto: &Moto, delays: Delays) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            calls: Vec::new(),
            ordered: None,
            hangs: false,
            throttles: None,
            caller: Ipv4Addr::new(203, 0, 113, 7),
            account: Account::new(delays),
        };
        let shared = Arc::new(Shared {
            moto: moto.url.clone(),
            state: Mutex::new(state),
            runs: tokio::sync::Mutex::default(),
            http: reqwest::Client::new(),
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(serve(listener, shared.clone()));
        Self { url: format!("http://{address}"), shared, runtime: Some(runtime) }
    }

    /// Has the call of this number go wrong, counted from 0 at the next one; forgets what was ordered before.
    pub fn fault(&self, number: usize, fault: Fault) {
        self.order(None, number, fault);
    }

    /// Has the call of this number among those of one action go wrong; forgets what was ordered before.
    pub fn fault_of(&self, action: &str, number: usize, fault: Fault) {
        self.order(Some(action.into()), number, fault);
    }

    fn order(&self, action: Option<String>, before: usize, fault: Fault) {
        let mut state = self.state();
        state.ordered = Some(Ordered { action, before, fault, met: None });
        state.hangs = false;
    }

    /// Has nothing go wrong any more. Returns the call that did, if it came to that.
    pub fn heals(&self) -> Option<Call> {
        let mut state = self.state();
        state.hangs = false;
        state.ordered.take()?.met
    }

    /// Has one of so many calls be refused because it comes too fast.
    pub fn throttles(&self, every: usize) {
        self.state().throttles = Some(every);
    }

    /// Whether the call that was to hang does.
    pub fn hangs(&self) -> bool {
        self.state().hangs
    }

    /// Where callers are told their address.
    pub fn who_asks(&self) -> String {
        format!("{}/who-asks", self.url)
    }

    /// Has callers come from another address.
    pub fn caller_is(&self, address: Ipv4Addr) {
        self.state().caller = address;
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    pub fn count(&self) -> usize {
        self.state().calls.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // a test may be a future itself
        }
    }
}

impl Ordered {
    /// Returns what becomes of this call, if it is the one.
    fn meet(&mut self, call: &Call) -> Option<Fault> {
        if self.met.is_some() || self.action.as_ref().is_some_and(|action| *action != call.action) {
            return None;
        }
        if self.before > 0 {
            self.before -= 1;
            return None;
        }
        self.met = Some(call.clone());
        Some(self.fault)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Writes a call down. Returns what becomes of it.
    fn enter(&self, call: &Call) -> Option<Result<Fault, Reply>> {
        let mut state = self.state();
        let number = state.calls.len();
        state.calls.push(call.clone());
        if let Some(fault) = state.ordered.as_mut().and_then(|ordered| ordered.meet(call)) {
            return Some(Ok(fault));
        }
        let too_fast = state.throttles.is_some_and(|every| number % every == every - 1);
        too_fast.then(|| Err(Reply::error(503, "RequestLimitExceeded", "Request limit exceeded.")))
    }

    /// Does what is asked, as the real EC2 would.
    async fn effect(&self, call: &Call) -> Result<Reply, reqwest::Error> {
        let _turn = if call.action == "RunInstances" { Some(self.runs.lock().await) } else { None };
        if let Some(reply) = self.state().account.answer(call) {
            return Ok(reply);
        }
        let reply = self.forward(call).await?;
        let mut state = self.state();
        state.account.learn(call, &reply);
        Ok(state.account.shown(call, reply))
    }

    async fn forward(&self, call: &Call) -> Result<Reply, reqwest::Error> {
        let answer = self.http.post(&self.moto).headers(call.forwarded()).body(call.body.clone()).send().await?;
        Reply::of(answer).await
    }
}

/// The connection is closed without an answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed as ordered")
    }
}

impl std::error::Error for Closed {}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&shared, request));
            let http = hyper::server::conn::http1::Builder::new();
            // Connections that break are what tests order.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    if head.uri.path() == "/who-asks" {
        return Ok(Response::new(Full::from(format!("{}\n", shared.state().caller))));
    }
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let call = Call::read(&head, &body);
    let fault = match shared.enter(&call) {
        Some(Err(reply)) => return Ok(reply.response()),
        Some(Ok(fault)) => Some(fault),
        None => None,
    };
    match fault {
        Some(Fault::Unavailable) => return Ok(Reply::error(503, "Unavailable", "Try later.").response()),
        Some(Fault::HangsBefore) => hang(shared).await,
        _ => {}
    }
    let reply = match shared.effect(&call).await {
        Ok(reply) => reply,
        Err(error) => Reply::error(500, "InternalError", &format!("moto does not answer: {error}")),
    };
    match fault {
        Some(Fault::Dropped) => Err(Closed),
        Some(Fault::HangsAfter) => hang(shared).await,
        _ => Ok(reply.response()),
    }
}

async fn hang(shared: &Shared) -> ! {
    shared.state().hangs = true;
    std::future::pending().await
}
