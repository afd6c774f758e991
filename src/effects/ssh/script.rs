//! Runs fixed scripts: as root or as the user, whatever their login shell is and whatever it prints.
//!
//! The command line of the machine holds nothing but a constant. The script travels on standard input, as one line
//! before the input proper, so no value and no secret is ever seen in the list of processes.

use bytes::Bytes;
use russh::{ChannelWriteHalf, client::Msg};
use tokio::sync::Notify;

use super::{
    connection::Connection,
    error::SshError,
    session::{Ended, Event, Session},
};

/// What a script reads.
#[derive(Clone, Default)]
pub struct Input(Bytes);

impl<T: Into<Bytes>> From<T> for Input {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

/// What a script wrote and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub ended: Ended,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Who runs a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    Root,
    /// Whoever logged in.
    User,
}

/// How root is reached.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// No: the script runs as the user.
    User,
    /// The user is root, or sudo asks for nothing.
    Free,
    /// sudo takes this password.
    Password(&'a str),
}

/// How a script came out: it ran, or its reader did not start and this was said.
pub enum Came<T> {
    Out(T),
    NotStarted { said: String, status: Option<u32> },
}

/// Written to both streams before the script; what a login shell printed lies before it.
const STARTED: &str = "orchestrator-started";
/// Begins the line that holds the script.
const SCRIPT: &str = "orchestrator-script ";
/// The exit status of a machine without sudo.
pub const NO_SUDO: u32 = 119;

/// Reads the script and runs it. No quote, backslash or newline is in it: every login shell passes it on as it is.
const READER: &str = "LC_ALL=C; PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin; export LC_ALL PATH; \
    echo orchestrator-started; echo orchestrator-started >&2; \
    while IFS= read -r l; do case $l in orchestrator-script*) break;; esac; done; \
    eval \"$(printf %b \"${l#orchestrator-script }\")\"";
/// Becomes root by `sudo`, if need be, then does what is in `$0`.
const AS_ROOT: &str = "LC_ALL=C; export LC_ALL; test \"$(id -u)\" = 0 && exec sh -c \"$0\"; \
    command -v sudo >/dev/null || exit 119; exec sudo";

fn command(way: Way<'_>) -> String {
    match way {
        Way::User => format!("exec sh -c '{READER}'"),
        Way::Free => format!("exec sh -c '{AS_ROOT} -n sh -c \"$0\"' '{READER}'"),
        // -k: never takes what was typed before for granted, so the password is always read.
        Way::Password(_) => format!("exec sh -c '{AS_ROOT} -k -S -p \"\" sh -c \"$0\"' '{READER}'"),
    }
}

/// Returns the script as one line that `printf %b` makes it again from.
fn line(script: &str) -> Bytes {
    let text = script.replace('\\', "\\\\").replace('\n', "\\n");
    format!("{SCRIPT}{text}\n").into()
}

/// A script that runs, with its two streams.
pub struct Running<'a> {
    session: Session<'a>,
    out: Stream,
    err: Stream,
    started: Notify,
}

/// A stream of the script, without what the login shell wrote before it.
#[derive(Default)]
struct Stream {
    before: Vec<u8>,
    started: bool,
}

impl Stream {
    /// Returns what belongs to the script.
    fn take(&mut self, data: Bytes) -> Bytes {
        if self.started {
            return data;
        }
        self.before.extend_from_slice(&data);
        let mark = format!("{STARTED}\n");
        let Some(at) = self.before.windows(mark.len()).position(|window| window == mark.as_bytes()) else {
            return Bytes::new();
        };
        self.started = true;
        Bytes::from(self.before.split_off(at + mark.len()))
    }
}

/// Something a running script did.
pub enum Said {
    Out(Bytes),
    Err(Bytes),
}

impl<'a> Running<'a> {
    /// Starts the reader of scripts.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn start(connection: &'a Connection, way: Way<'_>) -> Result<Self, SshError> {
        let session = Session::open(connection).await?;
        if session.write().exec(true, command(way)).await.is_err() {
            return Err(connection.lost().await);
        }
        Ok(Self { session, out: Stream::default(), err: Stream::default(), started: Notify::new() })
    }

    /// Has the script run: `feed` writes its input and `on` hears what it says, side by side.
    ///
    /// # Errors
    /// When the connection is lost before the script ended.
    pub async fn run(
        mut self,
        way: Way<'_>,
        script: &str,
        feed: impl AsyncFnOnce(&ChannelWriteHalf<Msg>) -> Result<(), russh::Error>,
        mut on: impl FnMut(Said),
    ) -> Result<Came<Ended>, SshError> {
        let mut ended = None;
        {
            let Self { session, out, err, started } = &mut self;
            let started: &Notify = started;
            let (read, write) = session.halves();
            let feeding = async {
                if let Way::Password(password) = way {
                    write.data_bytes(format!("{password}\n")).await?;
                    started.notified().await;
                }
                write.data_bytes(line(script)).await?;
                feed(write).await?;
                write.eof().await
            };
            tokio::pin!(feeding);
            let mut fed = false;
            loop {
                let event = tokio::select! {
                    event = read.next() => event,
                    // A command that ends before it read everything is no error; that it ended is heard of.
                    _ = &mut feeding, if !fed => { fed = true; continue }
                };
                match event {
                    None => break,
                    Some(Event::Out(data)) => {
                        let data = out.take(data);
                        if !data.is_empty() {
                            on(Said::Out(data));
                        }
                    }
                    Some(Event::Err(data)) => {
                        let data = err.take(data);
                        if err.started {
                            started.notify_one();
                        }
                        if !data.is_empty() {
                            on(Said::Err(data));
                        }
                    }
                    Some(Event::Ended(how)) => ended = Some(how),
                }
            }
        }
        match ended {
            None if self.err.started || self.session.is_lost() => Err(self.session.lost().await),
            Some(ended) if self.err.started => Ok(Came::Out(ended)),
            ended => Ok(Came::NotStarted { said: self.said(), status: ended.and_then(|ended| ended.status()) }),
        }
    }

    /// What was said instead of running the script.
    fn said(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let (err, out) = (text(&self.err.before), text(&self.out.before));
        if err.is_empty() { out } else { err }
    }
}

/// Hears what a script writes as it comes.
pub type OnOut<'a> = &'a mut dyn FnMut(&[u8]);

/// Runs a script with input, and keeps what it wrote.
///
/// # Errors
/// When the connection is lost before the script ended.
pub async fn run(
    connection: &Connection,
    way: Way<'_>,
    script: &str,
    input: &Input,
    mut on_out: Option<OnOut<'_>>,
) -> Result<Came<Output>, SshError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let input = input.0.clone();
    let running = Running::start(connection, way).await?;
    let came = running
        .run(
            way,
            script,
            async |write| write.data_bytes(input).await,
            |said| match (said, &mut on_out) {
                (Said::Out(data), Some(on_out)) => on_out(&data),
                (Said::Out(data), None) => stdout.extend_from_slice(&data),
                (Said::Err(data), _) => stderr.extend_from_slice(&data),
            },
        )
        .await?;
    Ok(match came {
        Came::Out(ended) => Came::Out(Output { ended, stdout, stderr }),
        Came::NotStarted { said, status } => Came::NotStarted { said, status },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_survives_every_login_shell() {
        for way in [Way::User, Way::Free, Way::Password("secret")] {
            let command = command(way);
            assert!(!command.contains(['\\', '\n', '!', '`']), "{command}");
            assert!(!command.contains("secret"), "{command}");
            assert_eq!(command.matches('\'').count() % 2, 0, "{command}");
        }
    }

    #[test]
    fn a_script_is_one_line() {
        assert_eq!(line("a\\n\nb"), "orchestrator-script a\\\\n\\nb\n");
    }

    #[test]
    fn what_the_login_shell_prints_is_not_the_scripts() {
        let mut stream = Stream::default();
        assert_eq!(stream.take("welcome\norchestr".into()), "");
        assert_eq!(stream.take("ator-started\nmine".into()), "mine");
        assert_eq!(stream.take(" too".into()), " too");
    }
}
