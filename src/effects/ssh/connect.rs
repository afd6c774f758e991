//! From a name in the configuration to a connection that is logged in.

use std::{io, rc::Rc, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::{
    Ssh, Target,
    authentication::{Login, Progress},
    connection::{Connection, Stranger, Wire},
    error::{SshError, Unknown, Unreachable},
    handler::{Rejected, fingerprint_of},
    host_config::{HostConfig, Strict},
    known_hosts::{self, KnownHost, Verdict},
    user::SshUser,
};

/// How often a handshake that was cut is tried: a busy sshd drops some at random (`MaxStartups`).
const HANDSHAKES: u32 = 6;

/// Connects and logs in.
///
/// # Errors
/// Whatever keeps it from that.
pub async fn connect(user: &Rc<SshUser>, target: &Target, host: &HostConfig) -> Result<Connection, SshError> {
    let mut login: Option<Login> = None;
    loop {
        let (mut stranger, bastion) = greet(user, target, host).await?;
        let login = match &mut login {
            Some(login) => login,
            none => none.insert(Login::prepare(host).await),
        };
        let before = login.tried.len();
        match login.offer(user, host, &mut stranger).await {
            Progress::In => return Ok(stranger.into_connection(bastion)),
            Progress::Again if login.tried.len() > before => {}
            Progress::Again => {
                return Err(SshError::HandshakeCut { address: host.address(), because: stranger.end().await });
            }
            Progress::Refused => {
                let (tried, methods) = (std::mem::take(&mut login.tried), std::mem::take(&mut login.methods));
                return Err(SshError::AuthenticationRefused { user: host.user.clone(), tried, methods });
            }
        }
    }
}

/// Connects as far as the host key is known to be right.
async fn greet(
    user: &Rc<SshUser>,
    target: &Target,
    host: &HostConfig,
) -> Result<(Stranger, Option<Rc<Ssh>>), SshError> {
    let mut cut = 0;
    loop {
        let known = known(host)?;
        let (wire, bastion) = dial(user, target, host).await?;
        match Stranger::greet(wire, host, known).await {
            Ok(Ok(stranger)) => return Ok((stranger, bastion)),
            Ok(Err(rejected)) => judge(user, host, *rejected).await?,
            Err(error) => {
                cut += 1;
                if cut == HANDSHAKES {
                    return Err(error);
                }
                tokio::time::sleep(jitter(cut)).await;
            }
        }
    }
}

fn known(host: &HostConfig) -> Result<KnownHost, SshError> {
    let (name, port) = host.known_as();
    KnownHost::read(&host.known_hosts, name, port)
}

/// A pause that grows and differs from machine to machine, so that they do not come back all at once.
fn jitter(count: u32) -> Duration {
    let mut random = [0; 2];
    let _ = getrandom::fill(&mut random);
    let longest = 200 << count.min(5);
    Duration::from_millis(50 + u64::from(u16::from_le_bytes(random)) % longest)
}

/// Opens the way to the machine: straight, through a program, or through other machines.
async fn dial(
    user: &Rc<SshUser>,
    target: &Target,
    host: &HostConfig,
) -> Result<(Box<dyn Wire>, Option<Rc<Ssh>>), SshError> {
    let _ = (user, target);
    Ok((Box::new(dial_tcp(host).await?), None))
}

async fn dial_tcp(host: &HostConfig) -> Result<TcpStream, SshError> {
    let unreachable = |why| SshError::Unreachable { address: host.address(), why };
    let seconds = host.connect_timeout.as_secs();
    let dialling = async {
        let found = tokio::net::lookup_host((host.hostname.as_str(), host.port)).await;
        let addresses = found.map_err(|error| Unreachable::NoSuchName(error.to_string()))?;
        let mut last = Unreachable::NoSuchName("no address".into());
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => last = why(&error),
            }
        }
        Err(last)
    };
    match timeout(host.connect_timeout, dialling).await {
        Ok(result) => result.map_err(unreachable),
        Err(_) => Err(unreachable(Unreachable::TimedOut(seconds))),
    }
}

fn why(error: &io::Error) -> Unreachable {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Unreachable::Refused,
        io::ErrorKind::TimedOut => Unreachable::Other("the connection attempt timed out".into()),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Unreachable::NoRoute,
        _ => Unreachable::Other(error.to_string()),
    }
}

/// Decides on a key that is not known: fails, or has it known from now on.
async fn judge(user: &SshUser, host: &HostConfig, rejected: Rejected) -> Result<(), SshError> {
    let (name, port) = host.known_as();
    let shown = if port == 22 { name.to_owned() } else { format!("[{name}]:{port}") };
    let unknown = |why| SshError::HostKeyUnknown {
        host: shown.clone(),
        algorithm: rejected.algorithm.clone(),
        fingerprint: rejected.fingerprint.clone(),
        why,
    };
    match (&rejected.verdict, &rejected.certificate) {
        (Verdict::Revoked { file, line }, _) => Err(SshError::HostKeyRevoked {
            host: shown,
            fingerprint: rejected.fingerprint,
            file: file.clone(),
            line: *line,
        }),
        (Verdict::Changed { known, file, line }, _) => Err(SshError::HostKeyChanged {
            host: shown,
            offered: format!("{} {}", rejected.algorithm, rejected.fingerprint),
            known: fingerprint_of(known),
            file: file.clone(),
            line: *line,
        }),
        (_, Some(because)) => Err(unknown(Unknown::Certificate(because.clone()))),
        (Verdict::Unknown | Verdict::Known, None) => {
            if host.strict == Strict::Yes {
                return Err(unknown(Unknown::Strict));
            }
            let turn = user.turn().await;
            // Another connection may have had it confirmed in the meantime.
            if known(host)?.judge(&rejected.blob) == Verdict::Known {
                return Ok(());
            }
            if host.strict == Strict::Ask {
                let question = format!(
                    "The authenticity of host '{shown}' can't be established.\n{} key fingerprint is {}.\nAre you sure \
                     you want to continue connecting (yes/no)? ",
                    rejected.algorithm, rejected.fingerprint
                );
                match turn.confirm(&question).await {
                    Some(true) => {}
                    Some(false) => return Err(unknown(Unknown::Declined)),
                    None => return Err(unknown(Unknown::NoTerminal)),
                }
            }
            let file = &user.surroundings.known_hosts;
            known_hosts::add(file, name, port, &algorithm(&rejected.blob), &rejected.blob)
        }
    }
}

/// The algorithm a key in its wire form begins with.
fn algorithm(blob: &[u8]) -> String {
    let length = blob.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes) as usize);
    let name = blob.get(4..4 + length).unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}
