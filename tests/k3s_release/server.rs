//! A web server with one release, which can be told to answer badly.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    io,
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use orchestrator::model::hex::hex;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};

pub const BINARY: &str = "k3s";
pub const ARCHIVE: &str = "k3s-airgap-images-amd64.tar.zst";
pub const LIST: &str = "sha256sum-amd64.txt";

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How one request is answered, when it is not with the file or the piece of it that was asked for.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// The connection ends after so many bytes.
    Cut(usize),
    /// Nothing comes after so many bytes.
    Silent(usize),
    /// A byte every now and then.
    Trickle,
    /// The whole file, whatever was asked for.
    Whole,
    /// The whole file without a `Range`, until which the connection ends after so many bytes.
    WholeCut(usize),
    Status(u16),
    /// The file is elsewhere.
    Moved,
    /// Waits until [`Server::open`].
    Held,
}

/// Runs as long as it lives.
pub struct Server {
    /// Its own, such as `http://127.0.0.1:4711`.
    pub address: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    answers: Mutex<BTreeMap<String, VecDeque<Answer>>>,
    asked: Mutex<Vec<Asked>>,
    gate: watch::Sender<bool>,
    stop: Notify,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub uri: String,
    /// The last part of the path.
    pub name: String,
    /// The first byte that it wants, if it does not want all.
    pub from: Option<usize>,
}

impl Server {
    /// A release whose binary and archive have so many bytes.
    pub fn new(binary: usize, archive: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let server = Self { address, shared: shared.clone() };
        server.shared.files.lock().unwrap().insert(ARCHIVE.into(), noise(archive, 2));
        server.release(&noise(binary, 1));
        thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve(listener, shared));
        });
        server
    }

    /// Has another binary in the release, and a list of checksums that says so.
    pub fn release(&self, binary: &[u8]) {
        let mut files = self.shared.files.lock().unwrap();
        files.insert(BINARY.into(), binary.into());
        let list = [BINARY, ARCHIVE].map(|name| format!("{}  {name}\n", sha256(&files[name]))).concat();
        files.insert(LIST.into(), list.into());
    }

    /// Has a file say something else, whatever the list says.
    pub fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.shared.files.lock().unwrap().insert(name.into(), bytes.into());
    }

    pub fn file(&self, name: &str) -> Vec<u8> {
        self.shared.files.lock().unwrap()[name].clone()
    }

    /// Answers the next requests for a file like this.
    pub fn answer(&self, name: &str, answers: &[Answer]) {
        self.shared.answers.lock().unwrap().entry(name.into()).or_default().extend(answers);
    }

    /// Lets held answers go.
    pub fn open(&self) {
        self.shared.gate.send_replace(true);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// The first bytes that were wanted of a file, by request.
    pub fn asked_for(&self, name: &str) -> Vec<Option<usize>> {
        self.asked().into_iter().filter(|asked| asked.name == name).map(|asked| asked.from).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.notify_one();
    }
}

pub fn noise(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 7 + n / 251 + seed) as u8).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let connection = tokio::select! {
            connection = listener.accept() => connection.unwrap().0,
            () = shared.stop.notified() => return,
        };
        let shared = shared.clone();
        let service = service_fn(move |request| answer(shared.clone(), request));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
        tokio::spawn(connection);
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let name = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let from = request.headers().get(header::RANGE).map(|range| {
        let range = range.to_str().unwrap();
        range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).unwrap().parse().unwrap()
    });
    let asked = Asked { uri: request.uri().to_string(), name: name.clone(), from };
    shared.asked.lock().unwrap().push(asked);
    let answer = shared.answers.lock().unwrap().get_mut(&name).and_then(VecDeque::pop_front);
    let file = shared.files.lock().unwrap().get(&name).cloned();
    if let Some(Answer::Held) = answer {
        let _ = shared.gate.subscribe().wait_for(|open| *open).await;
    }
    Ok(match (answer, file) {
        (Some(Answer::Status(code)), _) => reply(code, 0, Vec::new(), None),
        (Some(Answer::Moved), _) => {
            let mut moved = reply(302, 0, Vec::new(), None);
            moved.headers_mut().insert(header::LOCATION, format!("/elsewhere/{name}").parse().unwrap());
            moved
        }
        (_, None) => reply(404, 0, Vec::new(), None),
        (Some(answer @ (Answer::Whole | Answer::WholeCut(_))), Some(file)) => reply(200, 0, file, Some(answer)),
        (answer, Some(file)) => match from {
            None => reply(200, 0, file, answer),
            Some(from) if from < file.len() => reply(206, from, file, answer),
            Some(_) => reply(416, 0, Vec::new(), None),
        },
    })
}

/// Returns the file from this byte on, as `answer` says.
fn reply(code: u16, from: usize, file: Vec<u8>, answer: Option<Answer>) -> Response<Body> {
    let rest = Bytes::from(file).slice(from..);
    let size = rest.len();
    let mut response = Response::builder().status(StatusCode::from_u16(code).unwrap());
    if code == 206 {
        let range = format!("bytes {from}-{}/{}", from + size - 1, from + size);
        response = response.header(header::CONTENT_RANGE, range);
    }
    response = response.header(header::CONTENT_LENGTH, size);
    let body = match answer {
        Some(Answer::Cut(count) | Answer::WholeCut(count)) => {
            let end = async {
                // What came before is sent before the connection ends.
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(io::Error::other("cut"))
            };
            stream::iter([Ok(Frame::data(rest.slice(..count)))]).chain(stream::once(end)).boxed()
        }
        Some(Answer::Silent(count)) => {
            stream::iter([Ok(Frame::data(rest.slice(..count)))]).chain(stream::pending()).boxed()
        }
        Some(Answer::Trickle) => stream::unfold(0, move |at| {
            let byte = rest.slice(at..=at);
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Ok(Frame::data(byte)), at + 1))
            }
        })
        .boxed(),
        _ => return response.body(Full::new(rest).map_err(|never| match never {}).boxed_unsync()).unwrap(),
    };
    response.body(StreamBody::new(body).boxed_unsync()).unwrap()
}
