//! Listening.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Api, body,
    dispatch::answer,
    reply::{Reply, refuse},
};
use crate::rehearsal::{object::status::Status, pki::Tls};

/// How long open requests may go on once the server is told to stop.
const GRACE: Duration = Duration::from_millis(500);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Accepting fails for a moment when the process has too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves the API over TLS, HTTP/1.1 and HTTP/2, until `shutdown` is done.
pub async fn serve(listener: TcpListener, tls: Tls, api: Arc<Api>, shutdown: impl Future<Output = ()>) {
    let acceptor = TlsAcceptor::from(tls.config);
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, acceptor.clone(), api.clone(), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    stop.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    // A watch never ends by itself: dropping the set aborts what is left.
    let _ = tokio::time::timeout(GRACE, all).await;
}

/// Marks a request of a client that showed a certificate which the listener's configuration accepts.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientCertificate;

/// Serves the API on one connection until it ends or `stopped` says so.
pub async fn connection(stream: TcpStream, acceptor: TlsAcceptor, api: Arc<Api>, mut stopped: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let builder = auto::Builder::new(TokioExecutor::new());
    let certified = stream.get_ref().1.peer_certificates().is_some();
    let service = service_fn(|mut request: Request<Incoming>| {
        if certified {
            request.extensions_mut().insert(ClientCertificate);
        }
        respond(api.clone(), request)
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn respond(api: Arc<Api>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    Ok(match read(request).await {
        Ok(request) => answer(api, request).await,
        Err(status) => refuse(&status),
    })
}

async fn read(request: Request<Incoming>) -> Result<Request<Bytes>, Status> {
    let (parts, incoming) = request.into_parts();
    let body = Limited::new(incoming, body::LIMIT).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Status::too_large(body::LIMIT)
        } else {
            Status::bad_request(error.to_string())
        }
    })?;
    Ok(Request::from_parts(parts, body.to_bytes()))
}
