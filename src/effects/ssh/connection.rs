//! One connection: how it is made, and what it says when it ends.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use russh::{
    ChannelWriteHalf, Preferred, cipher,
    client::{Config, Handle, Msg, connect_stream},
    keys::{Algorithm, HashAlg},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{
    Ssh,
    error::SshError,
    handler::{Client, HandlerError, Rejected, explain},
    host_config::HostConfig,
    known_hosts::KnownHost,
};

/// Sessions at a time: sshd's `MaxSessions` is 10 by default.
const SESSIONS: usize = 8;
/// What may be on its way to this side on one channel, in bytes; enough for 200 MB/s at 80 ms.
const WINDOW: u32 = 16 << 20;
/// Said of a machine that answers and speaks no SSH, or not in time.
pub const SILENT: &str = "it does not speak";
/// Said by whoever closes this side.
const CLOSED: &str = "it closed the connection";

/// Bytes both ways to an SSH server.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A connection that is logged in.
pub struct Connection {
    pub handle: Handle<Client>,
    ended: watch::Receiver<Option<String>>,
    pub sessions: Semaphore,
    /// How many sessions are open.
    pub open: Cell<usize>,
    /// Channels whose user went away: they are closed before the next one is opened.
    pub abandoned: RefCell<Vec<ChannelWriteHalf<Msg>>>,
    /// Some channel was abandoned: its command may still run.
    pub haunted: Cell<bool>,
    /// Who is logged in.
    pub login: String,
    /// Held, so that the way to the machine stays open.
    _bastion: Option<Rc<Ssh>>,
}

/// A connection on which only the host key is known to be right.
pub struct Stranger {
    pub handle: Handle<Client>,
    ended: watch::Receiver<Option<String>>,
}

impl Stranger {
    /// Says the version and exchanges keys over `wire`.
    ///
    /// # Errors
    /// The outer one: the connection; the inner one: a host key that is not known.
    pub async fn greet(
        wire: Box<dyn Wire>,
        host: &HostConfig,
        known: KnownHost,
    ) -> Result<Result<Self, Box<Rejected>>, SshError> {
        let cut = |because| SshError::HandshakeCut { address: host.address(), because };
        let config = Arc::new(protocol(host, &known));
        let (sender, ended) = watch::channel(None);
        let client = Client { known, host: host.hostname.clone(), ended: sender };
        let limit = host.connect_timeout * 2;
        match timeout(limit, connect_stream(config, wire, client)).await {
            Err(_) => Err(cut(format!("{SILENT} within {} s", limit.as_secs()))),
            Ok(Ok(handle)) => Ok(Ok(Self { handle, ended })),
            Ok(Err(HandlerError::HostKey(rejected))) => Ok(Err(rejected)),
            Ok(Err(HandlerError::Protocol(error))) => Err(cut(explain(&error))),
        }
    }

    /// Why it ended, for an error about it.
    pub async fn end(&self) -> String {
        end(&self.ended).await
    }

    pub fn into_connection(self, login: &str, bastion: Option<Rc<Ssh>>) -> Connection {
        Connection {
            login: login.to_owned(),
            handle: self.handle,
            ended: self.ended,
            sessions: Semaphore::new(SESSIONS),
            open: Cell::new(0),
            abandoned: RefCell::default(),
            haunted: Cell::new(false),
            _bastion: bastion,
        }
    }
}

impl Connection {
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Returns the error of whoever finds the connection gone.
    pub async fn lost(&self) -> SshError {
        SshError::Lost { because: end(&self.ended).await }
    }
}

/// The reason is told a moment after the channels are closed.
async fn end(ended: &watch::Receiver<Option<String>>) -> String {
    let mut ended = ended.clone();
    let told = timeout(Duration::from_secs(1), ended.wait_for(Option::is_some)).await;
    match told {
        Ok(Ok(reason)) => reason.clone().unwrap_or_default(),
        _ => CLOSED.into(),
    }
}

fn protocol(host: &HostConfig, known: &KnownHost) -> Config {
    Config {
        nodelay: true,
        window_size: WINDOW,
        keepalive_interval: Some(host.alive_interval),
        keepalive_max: host.alive_count,
        preferred: Preferred {
            key: Cow::Owned(host_keys(known)),
            host_key_certificates: Cow::Owned(if known.has_authority() { host_keys(known) } else { Vec::new() }),
            // The fastest of these that the machine has, by measurement; all of them authenticate what they carry.
            cipher: Cow::Borrowed(&[
                cipher::AES_128_GCM,
                cipher::AES_256_GCM,
                cipher::CHACHA20_POLY1305,
                cipher::AES_256_CTR,
                cipher::AES_192_CTR,
                cipher::AES_128_CTR,
            ]),
            ..Preferred::DEFAULT
        },
        ..Config::default()
    }
}

/// Every algorithm for host keys, those first of which a key is known.
fn host_keys(known: &KnownHost) -> Vec<Algorithm> {
    let safe = |algorithm: &&Algorithm| !matches!(algorithm, Algorithm::Rsa { hash: None });
    let mut all: Vec<_> = Preferred::DEFAULT.key.iter().filter(safe).cloned().collect();
    let known = known.algorithms();
    let plain = |algorithm: &Algorithm| match algorithm {
        Algorithm::Rsa { hash: Some(HashAlg::Sha256 | HashAlg::Sha512) } => "ssh-rsa".to_owned(),
        other => other.to_string(),
    };
    all.sort_by_key(|algorithm| !known.contains(&plain(algorithm).as_str()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_signatures_are_not_asked_for() {
        assert!(!host_keys(&KnownHost::default()).contains(&Algorithm::Rsa { hash: None }));
    }
}
