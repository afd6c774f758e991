//! One session channel: a command, what goes in, what comes out, how it ended.

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client::Msg};
use tokio::sync::SemaphorePermit;

use super::{connection::Connection, error::SshError};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Status(u32),
    /// Such as `TERM`.
    Signal(String),
}

impl Ended {
    pub fn ok(&self) -> bool {
        *self == Self::Status(0)
    }

    /// Returns the exit status, if it ended by itself.
    pub fn status(&self) -> Option<u32> {
        match self {
            Self::Status(status) => Some(*status),
            Self::Signal(_) => None,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exited with {status}"),
            Self::Signal(signal) => write!(f, "was ended by SIG{signal}"),
        }
    }
}

/// What a session says.
pub enum Event {
    Out(Bytes),
    Err(Bytes),
    Ended(Ended),
}

/// An open session. Dropped early, it is closed before the connection is used again.
pub struct Session<'a> {
    connection: &'a Connection,
    pub read: Reader,
    /// There until the session is dropped.
    write: Option<ChannelWriteHalf<Msg>>,
    _permit: SemaphorePermit<'a>,
}

/// The half of a session that is read.
pub struct Reader {
    half: ChannelReadHalf,
    /// The machine closed the channel.
    over: bool,
}

impl<'a> Session<'a> {
    /// Opens a session as soon as the machine has room for one.
    ///
    /// # Errors
    /// When the connection is lost or the machine opens no session at all.
    pub async fn open(connection: &'a Connection) -> Result<Self, SshError> {
        loop {
            let Ok(permit) = connection.sessions.acquire().await else { return Err(connection.lost().await) };
            let abandoned = connection.abandoned.take();
            for channel in abandoned {
                let _ = channel.signal(russh::Sig::TERM).await;
                let _ = channel.close().await;
            }
            match connection.handle.channel_open_session().await {
                Ok(channel) => {
                    let (read, write) = channel.split();
                    connection.open.set(connection.open.get() + 1);
                    return Ok(Self {
                        connection,
                        read: Reader { half: read, over: false },
                        write: Some(write),
                        _permit: permit,
                    });
                }
                // The machine allows fewer sessions than we thought: make do with those that are open.
                Err(russh::Error::ChannelOpenFailure(_)) if connection.open.get() > 0 => permit.forget(),
                // What was left running takes its place: a new connection has room.
                Err(russh::Error::ChannelOpenFailure(_)) if connection.haunted.get() => {
                    return Err(SshError::Lost { because: "commands that were given up hold its sessions".into() });
                }
                Err(russh::Error::ChannelOpenFailure(reason)) => {
                    let because = format!("it opens no session ({reason:?})");
                    return Err(SshError::ForwardingRefused { to: "a shell".into(), because });
                }
                Err(_) => return Err(connection.lost().await),
            }
        }
    }

    pub fn write(&self) -> &ChannelWriteHalf<Msg> {
        self.write.as_ref().expect("there until it is dropped")
    }

    /// Lets the half that reads and the half that writes be used side by side.
    pub fn halves(&mut self) -> (&mut Reader, &ChannelWriteHalf<Msg>) {
        (&mut self.read, self.write.as_ref().expect("there until it is dropped"))
    }

    pub fn is_lost(&self) -> bool {
        self.connection.is_closed()
    }

    /// Returns the error of a session that ended without saying how.
    pub async fn lost(&self) -> SshError {
        self.connection.lost().await
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.connection.open.set(self.connection.open.get() - 1);
        if !self.read.over {
            self.connection.haunted.set(true);
            self.connection.abandoned.borrow_mut().extend(self.write.take());
        }
    }
}

impl Reader {
    /// Waits for what comes next; `None` when the channel is closed. What is written may still come after `Ended`.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let Some(message) = self.half.wait().await else {
                self.over = true;
                return None;
            };
            return Some(match message {
                ChannelMsg::Data { data } => Event::Out(data),
                ChannelMsg::ExtendedData { data, .. } => Event::Err(data),
                ChannelMsg::ExitStatus { exit_status } => Event::Ended(Ended::Status(exit_status)),
                ChannelMsg::ExitSignal { signal_name, .. } => Event::Ended(Ended::Signal(signal(&signal_name))),
                _ => continue,
            });
        }
    }
}

fn signal(signal: &russh::Sig) -> String {
    match signal {
        russh::Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}
