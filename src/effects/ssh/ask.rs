//! Questions to the person at the terminal.

use std::{fs::File, io, os::fd::OwnedFd, time::Duration};

use async_trait::async_trait;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr},
};

/// How often a terminal is looked at.
const LOOK: Duration = Duration::from_millis(30);

/// Asks a person.
#[async_trait(?Send)]
pub trait Ask {
    /// Shows `question` and returns the line that was typed, which is not shown if it is `secret`. `None`: there is
    /// nobody to ask, or they ended the input.
    async fn line(&self, question: &str, secret: bool) -> Option<String>;
}

/// Nobody is there.
pub struct Nobody;

#[async_trait(?Send)]
impl Ask for Nobody {
    async fn line(&self, _: &str, _: bool) -> Option<String> {
        None
    }
}

/// The terminal this process was started from, whatever its streams are.
pub struct ControllingTerminal;

#[async_trait(?Send)]
impl Ask for ControllingTerminal {
    async fn line(&self, question: &str, secret: bool) -> Option<String> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let terminal = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()?;
        let _quiet = if secret { Some(Quiet::new(&terminal).ok()?) } else { None };
        write_all(&terminal, question).ok()?;
        let answer = read_line(&terminal).await;
        if secret {
            write_all(&terminal, "\n").ok()?;
        }
        answer
    }
}

fn write_all(terminal: &OwnedFd, text: &str) -> io::Result<()> {
    io::Write::write_all(&mut &File::from(terminal.try_clone()?), text.as_bytes())
}

/// Looks now and then instead of waiting in a thread: when the run is interrupted, nothing is left reading.
async fn read_line(terminal: &OwnedFd) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut chunk = [0; 256];
        match rustix::io::read(terminal, &mut chunk) {
            Ok(0) => return None,
            Ok(count) => line.extend_from_slice(&chunk[..count]),
            Err(Errno::WOULDBLOCK) => tokio::time::sleep(LOOK).await,
            Err(_) => return None,
        }
    }
    Some(String::from_utf8(line).ok()?.trim_end_matches(['\n', '\r']).to_owned())
}

/// Keeps what is typed from being shown, until it is dropped.
struct Quiet<'a> {
    terminal: &'a OwnedFd,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a OwnedFd) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
