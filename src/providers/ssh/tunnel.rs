//! A way to the Kubernetes API through SSH, for servers whose port 6443 this computer does not reach.

use std::{io, rc::Rc, time::Duration};

use futures::future::join_all;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, spawn_local},
    time::timeout,
};

use crate::{
    effects::ssh::Ssh,
    failure::{Failure, SERVER_NOT_REACHABLE},
    model::API_PORT,
};

/// How long an API that is reached directly takes to take a connection.
const DIRECT: Duration = Duration::from_secs(2);

/// Returns the first of these addresses at which the API takes connections.
pub async fn direct(addresses: impl IntoIterator<Item = String>) -> Option<String> {
    let attempt = async |address: String| {
        let connected = timeout(DIRECT, TcpStream::connect((address.as_str(), API_PORT))).await;
        connected.ok()?.ok()?;
        Some(address)
    };
    join_all(addresses.into_iter().map(attempt)).await.into_iter().flatten().next()
}

/// Connections to a port of this computer, carried to the API of a server for as long as this lives.
pub struct Tunnel {
    /// On 127.0.0.1.
    pub port: u16,
    carrier: JoinHandle<()>,
}

impl Tunnel {
    /// Opens a tunnel at `port`, or at a free one when that is 0 or taken.
    ///
    /// # Errors
    /// When the server cannot be reached or carries nothing.
    pub async fn open(ssh: Rc<Ssh>, port: u16) -> Result<Self, Failure> {
        let unusable = |error: io::Error| {
            Failure::new(&SERVER_NOT_REACHABLE, "cannot open a way to the Kubernetes API").because(error)
        };
        // The first connection tells whether there will be any.
        ssh.forward("127.0.0.1", API_PORT).await.map_err(|error| ssh.failure(&error))?;
        let listener = match TcpListener::bind(("127.0.0.1", port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => TcpListener::bind(("127.0.0.1", 0)).await,
            listener => listener,
        };
        let listener = listener.map_err(unusable)?;
        let port = listener.local_addr().map_err(unusable)?.port();
        Ok(Self { port, carrier: spawn_local(carry_all(listener, ssh)) })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

async fn carry_all(listener: TcpListener, ssh: Rc<Ssh>) {
    while let Ok((stream, _)) = listener.accept().await {
        spawn_local(carry(stream, ssh.clone()));
    }
}

/// A connection that cannot be carried is closed: the client sees it and says so.
async fn carry(mut stream: TcpStream, ssh: Rc<Ssh>) {
    if let Ok(mut api) = ssh.forward("127.0.0.1", API_PORT).await {
        let _ = copy_bidirectional(&mut stream, &mut api).await;
    }
}
