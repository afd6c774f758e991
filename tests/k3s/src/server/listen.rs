//! The server's port: connections are answered here, or passed on to the member that leads.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use orchestrator::rehearsal::api::{self, Api};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::preparing;
use crate::{
    config::Settings,
    log::Fatal,
    members::{Members, Role},
};

const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// Returns the port of the API.
///
/// # Errors
/// When the setting is no port.
pub fn port(settings: &Settings) -> Result<u16, Fatal> {
    Ok(settings.text("https-listen-port").map_or(Ok(6443), str::parse)?)
}

/// Takes the API's port; nobody is answered yet.
///
/// # Errors
/// When another process has it.
pub fn take(settings: &Settings) -> Result<TcpSocket, Fatal> {
    let (address, port) = (settings.text("bind-address"), port(settings)?);
    let shown = format!("{}:{port}", address.unwrap_or_default());
    let address = address.map_or(Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), str::parse)?;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    let taken = |error| preparing(format!("init cluster datastore and https: {}", refused(&shown, &error)));
    socket.bind(SocketAddr::new(address, port)).map_err(taken)?;
    Ok(socket)
}

/// Listens on a port of etcd.
///
/// # Errors
/// When another process has it.
pub async fn peers(address: SocketAddr) -> Result<TcpListener, Fatal> {
    let refuse = |error| preparing(format!("start managed database: {}", refused(&address.to_string(), &error)));
    TcpListener::bind(address).await.map_err(refuse)
}

/// Returns Go's words for a port that cannot be had.
pub fn refused(address: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("listen tcp {address}: bind: address already in use"),
        io::ErrorKind::AddrNotAvailable => format!("listen tcp {address}: bind: cannot assign requested address"),
        _ => format!("listen tcp {address}: bind: {error}"),
    }
}

/// Answers connections for ever; those that another member must answer are passed on to it.
pub async fn accept(listener: TcpListener, acceptor: TlsAcceptor, api: Arc<Api>, members: Option<Arc<Members>>) {
    let (_stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                };
                let leader = members.as_ref().and_then(|members| Some((leader(members)?, Arc::clone(members))));
                match leader {
                    Some((address, members)) => connections.spawn(pass_on(stream, address, members)),
                    None => connections.spawn(api::connection(stream, acceptor.clone(), api.clone(), stopped.clone())),
                };
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Returns the address of the member that this one follows.
fn leader(members: &Members) -> Option<String> {
    let Role::Follower(leader) = members.role() else { return None };
    let roster = members.roster();
    let member = roster.members.iter().find(|member| member.id == leader)?;
    Some(member.url.trim_start_matches("https://").to_owned())
}

async fn pass_on(mut stream: TcpStream, address: String, members: Arc<Members>) {
    let mut roles = members.roles();
    let now = roles.borrow_and_update().clone();
    let Ok(mut leader) = TcpStream::connect(address).await else { return };
    let _ = (stream.set_nodelay(true), leader.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut leader) => {}
        _ = roles.wait_for(|role| *role != now) => {}
    }
}
