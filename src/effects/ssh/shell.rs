//! A shell or a command on a machine, for the person at this end.

use std::{
    env,
    io::{self, IsTerminal, Read, Write},
};

use bytes::Bytes;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use super::{
    Ssh, SshError,
    session::{Ended, Event, Session},
};

impl Ssh {
    /// Runs a shell, or a command as `ssh` would put it together from its words, on the streams of this process: with
    /// a terminal at the other end if there is one at this end. Standard input belongs to it until this process ends.
    /// Returns the exit status, 128 and the number for a signal.
    ///
    /// # Errors
    /// When the machine cannot be reached or the connection is lost.
    pub async fn shell(&self, command: Option<&[String]>) -> Result<u8, SshError> {
        let connection = self.connection(&[]).await?;
        let mut session = Session::open(&connection).await?;
        let lost = |_| SshError::Lost { because: "it closed the connection".into() };
        let raw = if io::stdin().is_terminal() && io::stdout().is_terminal() {
            let size = tcgetwinsize(io::stdout()).unwrap_or(rustix::termios::Winsize {
                ws_row: 24,
                ws_col: 80,
                ws_xpixel: 0,
                ws_ypixel: 0,
            });
            let name = env::var("TERM").unwrap_or_else(|_| "xterm".into());
            let (columns, rows) = (u32::from(size.ws_col), u32::from(size.ws_row));
            session.write().request_pty(true, &name, columns, rows, 0, 0, &[]).await.map_err(lost)?;
            Raw::new().ok()
        } else {
            None
        };
        match command {
            Some(words) => session.write().exec(true, words.join(" ")).await.map_err(lost)?,
            None => session.write().request_shell(true).await.map_err(lost)?,
        }
        let ended = converse(&mut session).await;
        drop(raw);
        match ended {
            Some(ended) => Ok(exit_code(&ended)),
            None => Err(session.lost().await),
        }
    }
}

/// Carries bytes both ways until the session ends; `None` when it did not say how.
async fn converse(session: &mut Session<'_>) -> Option<Ended> {
    let (mut typed, mut resized) = (standard_input(), listen(SignalKind::window_change()));
    let (mut terminated, mut hung_up) = (listen(SignalKind::terminate()), listen(SignalKind::hangup()));
    let (read, write) = session.halves();
    let (mut ended, mut open) = (None, true);
    loop {
        tokio::select! {
            event = read.next() => match event {
                None => return ended,
                Some(Event::Out(data)) => if !show(io::stdout(), data).await {
                    return Some(Ended::Signal("PIPE".into()));
                },
                Some(Event::Err(data)) => { show(io::stderr(), data).await; }
                Some(Event::Ended(how)) => ended = Some(how),
            },
            bytes = typed.recv(), if open => {
                let carried = if let Some(bytes) = bytes { write.data_bytes(bytes).await.is_ok() } else { false };
                open = carried;
                if !open { let _ = write.eof().await; }
            },
            () = heard(&mut resized) => if let Ok(size) = tcgetwinsize(io::stdout()) {
                let _ = write.window_change(u32::from(size.ws_col), u32::from(size.ws_row), 0, 0).await;
            },
            () = heard(&mut terminated) => return Some(Ended::Signal("TERM".into())),
            () = heard(&mut hung_up) => return Some(Ended::Signal("HUP".into())),
        }
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind).ok()
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Reads in a thread of its own, since a file, a pipe and a terminal are waited for in different ways.
fn standard_input() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut chunk = vec![0; 32 << 10];
        while let Ok(count @ 1..) = io::stdin().read(&mut chunk) {
            if sender.blocking_send(Bytes::copy_from_slice(&chunk[..count])).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Writes without keeping the connection waiting; false when nobody reads any more.
async fn show(mut stream: impl Write + Send + 'static, data: Bytes) -> bool {
    let writing = tokio::task::spawn_blocking(move || stream.write_all(&data).and_then(|()| stream.flush()));
    writing.await.is_ok_and(|written| written.is_ok())
}

fn exit_code(ended: &Ended) -> u8 {
    match ended {
        Ended::Status(status) => (status & 0xff) as u8,
        Ended::Signal(name) => 128 + number(name),
    }
}

/// The numbers that every Linux has.
fn number(signal: &str) -> u8 {
    let names = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("ABRT", 6),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
    ];
    names.iter().find(|(name, _)| *name == signal).map_or(0, |(_, number)| *number)
}

/// The terminal of this process as programs on the other side expect it, until it is dropped.
struct Raw {
    before: Termios,
}

impl Raw {
    fn new() -> rustix::io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_become_exit_codes_as_in_a_shell() {
        assert_eq!(exit_code(&Ended::Status(7)), 7);
        assert_eq!(exit_code(&Ended::Signal("TERM".into())), 143);
        assert_eq!(exit_code(&Ended::Signal("KILL".into())), 137);
    }
}
