//! Connections that a machine makes for this side.

use russh::{ChannelOpenFailure, Error};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{Ssh, SshError, connection::Connection};

/// What is said when the machine is reached but nobody listens at the address.
pub const NOBODY_THERE: &str = "nothing answers there";
/// What a machine takes to connect is up to its system: two minutes by default.
const OPEN: std::time::Duration = std::time::Duration::from_secs(30);

impl Ssh {
    /// Connects to `host` and `port` as the machine sees them. The bytes flow for as long as this `Ssh` lives. Any
    /// number may be open.
    ///
    /// # Errors
    /// When the machine cannot be reached, allows no forwarding, or nobody listens there.
    pub async fn forward(
        &self,
        host: &str,
        port: u16,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, SshError> {
        self.tunnel(host, port, &[]).await
    }

    pub(super) async fn tunnel(
        &self,
        host: &str,
        port: u16,
        trail: &[String],
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, SshError> {
        let open = async |connection: &Connection| {
            let refused = |because: String| SshError::ForwardingRefused { to: format!("{host}:{port}"), because };
            let opening = connection.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0);
            match timeout(OPEN, opening).await {
                Err(_) => Err(refused(NOBODY_THERE.into())),
                Ok(Ok(channel)) => Ok(channel.into_stream()),
                Ok(Err(Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed))) => {
                    Err(refused(NOBODY_THERE.into()))
                }
                Ok(Err(Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited))) => {
                    Err(refused("its SSH server does not allow it (AllowTcpForwarding, PermitOpen)".into()))
                }
                Ok(Err(Error::ChannelOpenFailure(reason))) => Err(refused(format!("{reason:?}"))),
                Ok(Err(_)) => Err(connection.lost().await),
            }
        };
        self.repeat(trail, open).await
    }
}
