//! From a name in the configuration to a connection that is logged in.

use std::{
    fs::File,
    io::{self, Read, Seek},
    pin::Pin,
    process::Stdio,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Join, ReadBuf, join},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{
    Ssh,
    authentication::{Login, Progress},
    config::{Proxy, Strict},
    connection::{Connection, SILENT, Stranger, Wire},
    error::{SshError, Unknown, Unreachable},
    forward::NOBODY_THERE,
    handler::{Rejected, fingerprint_of},
    host_config::{HostConfig, jump_target},
    known_hosts::{self, KnownHost, Verdict},
    user::SshUser,
};

/// How often a handshake that was cut is tried: a busy sshd drops some at random (`MaxStartups`).
const HANDSHAKES: u32 = 6;

/// A way to the SSH server of a machine.
struct Road {
    wire: Box<dyn Wire>,
    bastion: Option<Rc<Ssh>>,
    /// What the program on the way complains about.
    complaints: Option<File>,
}

/// Connects and logs in. `trail` names the machines that wait for this one.
///
/// # Errors
/// Whatever keeps it from that.
pub async fn connect(user: &Rc<SshUser>, host: &HostConfig, trail: &[String]) -> Result<Connection, SshError> {
    let mut login: Option<Login> = None;
    loop {
        let (mut stranger, bastion) = greet(user, host, trail).await?;
        let login = match &mut login {
            Some(login) => login,
            none => none.insert(Login::prepare(host).await),
        };
        match login.offer(user, host, &mut stranger).await {
            Progress::In => return Ok(stranger.into_connection(&host.user, bastion)),
            Progress::Again => {}
            Progress::Cut => {
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
    host: &HostConfig,
    trail: &[String],
) -> Result<(Stranger, Option<Rc<Ssh>>), SshError> {
    let mut cut = 0;
    loop {
        let known = known(host)?;
        user.warn(&known.skipped);
        let road = dial(user, host, trail).await?;
        match Stranger::greet(road.wire, host, known).await {
            Ok(Ok(stranger)) => return Ok((stranger, road.bastion)),
            Ok(Err(rejected)) => judge(user, host, *rejected).await?,
            Err(error) => {
                cut += 1;
                let silent = error.to_string().contains(SILENT);
                if cut == HANDSHAKES || silent {
                    return Err(with_complaints(error, road.complaints));
                }
                tokio::time::sleep(jitter(cut)).await;
            }
        }
    }
}

/// Adds what the program on the way said last.
fn with_complaints(error: SshError, complaints: Option<File>) -> SshError {
    let mut text = String::new();
    let read = complaints.and_then(|mut file| file.rewind().and_then(|()| file.read_to_string(&mut text)).ok());
    match (error, text.trim().lines().last()) {
        (SshError::HandshakeCut { address, because }, Some(line)) if read.is_some() => {
            SshError::HandshakeCut { address, because: format!("{because}; the ProxyCommand said: {line}") }
        }
        (error, _) => error,
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
async fn dial(user: &Rc<SshUser>, host: &HostConfig, trail: &[String]) -> Result<Road, SshError> {
    match &host.proxy {
        Proxy::Straight => Ok(Road { wire: Box::new(dial_tcp(host).await?), bastion: None, complaints: None }),
        Proxy::Jump(list) => dial_through(user, host, list, trail).await,
        Proxy::Command(command) => {
            let unreachable = |error: io::Error| SshError::Unreachable {
                address: host.address(),
                why: Unreachable::Other(format!("`{command}`: {error}")),
            };
            let complaints = tempfile::tempfile().map_err(unreachable)?;
            let program = Program::start(command, complaints.try_clone().map_err(unreachable)?);
            Ok(Road { wire: Box::new(program.map_err(unreachable)?), bastion: None, complaints: Some(complaints) })
        }
    }
}

/// Goes through the machines of a `ProxyJump`. They are shared by all machines behind them.
async fn dial_through(user: &Rc<SshUser>, host: &HostConfig, list: &str, trail: &[String]) -> Result<Road, SshError> {
    let wrong = |because| SshError::Config { place: format!("ProxyJump {list}"), because };
    let (before, last) = list.rsplit_once(',').map_or((None, list), |(before, last)| (Some(before), last));
    let target = jump_target(last).map_err(wrong)?;
    if trail.iter().any(|passed| passed == list) {
        return Err(wrong(format!("it goes in circles: {} -> {list}", trail.join(" -> "))));
    }
    let trail = [trail, &[list.to_owned()]].concat();
    let bastion = user.bastion(list, || {
        let proxy = before.map(|before| Proxy::Jump(before.to_owned()));
        Rc::new(Ssh { proxy, ..Ssh::new(user.clone(), target) })
    });
    let unreachable = |why| SshError::Unreachable { address: host.address(), why };
    let wire = match bastion.tunnel(&host.hostname, host.port, &trail).await {
        // Seen from there, the machine may still be booting.
        Err(SshError::ForwardingRefused { because, .. }) if because == NOBODY_THERE => {
            return Err(unreachable(Unreachable::Other(format!("{because}, as {list} sees it"))));
        }
        other => other?,
    };
    Ok(Road { wire: Box::new(wire), bastion: Some(bastion), complaints: None })
}

/// A program that speaks to the machine on its standard streams. It ends with the connection.
struct Program {
    _child: Child,
    streams: Join<ChildStdout, ChildStdin>,
}

impl Program {
    fn start(command: &str, complaints: File) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec {command}")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(complaints);
        let mut child = shell.kill_on_drop(true).spawn()?;
        let (stdout, stdin) = (child.stdout.take(), child.stdin.take());
        let streams = stdout.zip(stdin).map(|(stdout, stdin)| join(stdout, stdin));
        Ok(Self { _child: child, streams: streams.ok_or(io::ErrorKind::BrokenPipe)? })
    }
}

impl AsyncRead for Program {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.streams).poll_read(cx, buf)
    }
}

impl AsyncWrite for Program {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.streams).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.streams).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.streams).poll_shutdown(cx)
    }
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
                    give_up_with_keepalive(&stream, host);
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

/// Has the kernel end a connection whose bytes nobody acknowledges: while they wait to be sent, no keepalive is.
fn give_up_with_keepalive(stream: &TcpStream, host: &HostConfig) {
    let patience = host.alive_interval * u32::try_from(host.alive_count).unwrap_or(1);
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, patience.as_millis() as u32);
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, patience);
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
