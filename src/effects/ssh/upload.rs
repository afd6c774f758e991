//! Files for machines: written beside their place, checked, made durable, then renamed into it.

use std::{cell::RefCell, path::Path, time::Duration};

use bytes::Bytes;
use russh::{ChannelWriteHalf, client::Msg};
use tokio::{io::AsyncReadExt, sync::Notify, time::timeout};

use super::{
    SCRIPT, Ssh, SshError,
    connection::Connection,
    script::{Came, Running, Said, Way},
    session::Ended,
};
use crate::model::Done;

/// A file of this computer that a machine is to have.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    pub source: &'a Path,
    /// Of its bytes, in hexadecimal.
    pub sha256: &'a str,
    /// Absolute, on the machine.
    pub path: &'a str,
    /// Unix permission bits.
    pub mode: u32,
}

/// Says `same` when there is nothing to do, else `send`, and then reads the bytes until the end of its input.
const RECEIVE: &str = include_str!("receive.sh");
/// Bytes read from the file at once.
const CHUNK: usize = 256 << 10;
/// Slower is as good as not at all, in bytes per second.
const SLOWEST: u64 = 50_000;

impl Ssh {
    /// Has a file on the machine, owned by root; one that is equal already is left alone. `on_sent` hears how many
    /// bytes are on their way; it begins anew when the connection is made again.
    ///
    /// # Errors
    /// When the file cannot be read, or did not arrive as it is.
    pub async fn upload(&self, upload: Upload<'_>, on_sent: &dyn Fn(u64)) -> Result<Done<()>, SshError> {
        let failed = |because: String| SshError::Transfer { path: upload.path.into(), because };
        let unreadable = |error: std::io::Error| failed(format!("{}: {error}", upload.source.display()));
        if !upload.path.starts_with('/') || upload.path.contains('\n') {
            return Err(failed("it is no absolute path".into()));
        }
        let size = tokio::fs::metadata(upload.source).await.map_err(unreadable)?.len();
        let sum = upload.sha256.to_lowercase();
        let header = format!("{}\n{:o}\n{size}\n{sum}\n", upload.path, upload.mode);
        let limit = SCRIPT + Duration::from_secs(size / SLOWEST);
        let late = || SshError::TimedOut { what: format!("the upload of {}", upload.path), seconds: limit.as_secs() };
        let send = async |connection: &Connection| {
            let act = async |way: Way<'_>| {
                let sending = self.send(connection, way, &header, upload.source, on_sent);
                timeout(limit, sending).await.unwrap_or_else(|_| Err(late()))
            };
            self.as_root(connection, act).await
        };
        let (ended, verdict, said) = self.repeat(&[], send).await?;
        if ended.ok() {
            return Ok(Done::when(verdict != "same\n", ()));
        }
        // The machine's own words come last, their cause before them.
        let words: Vec<_> = said.lines().rev().filter(|line| !line.trim().is_empty()).collect();
        Err(failed(if words.is_empty() { ended.to_string() } else { words.join(": ") }))
    }

    async fn send(
        &self,
        connection: &Connection,
        way: Way<'_>,
        header: &str,
        source: &Path,
        on_sent: &dyn Fn(u64),
    ) -> Result<Came<(Ended, String, String)>, SshError> {
        let (verdict, said) = (RefCell::new(String::new()), RefCell::new(Vec::new()));
        let decided = Notify::new();
        let feed = async |write: &ChannelWriteHalf<Msg>| {
            write.data_bytes(header.to_owned()).await?;
            decided.notified().await;
            if verdict.borrow().as_str() == "send\n" {
                send_file(write, source, on_sent).await?;
            }
            Ok(())
        };
        let on = |event| match event {
            Said::Out(data) => {
                verdict.borrow_mut().push_str(&String::from_utf8_lossy(&data));
                if verdict.borrow().ends_with('\n') {
                    decided.notify_one();
                }
            }
            Said::Err(data) => said.borrow_mut().extend_from_slice(&data),
        };
        let came = Running::start(connection, way).await?.run(way, RECEIVE, feed, on).await?;
        Ok(match came {
            Came::Out(ended) => {
                Came::Out((ended, verdict.into_inner(), String::from_utf8_lossy(&said.into_inner()).into_owned()))
            }
            Came::NotStarted { said, status } => Came::NotStarted { said, status },
        })
    }
}

/// What is cut short here is found by the machine: it knows size and sum.
async fn send_file(write: &ChannelWriteHalf<Msg>, source: &Path, on_sent: &dyn Fn(u64)) -> Result<(), russh::Error> {
    let mut file = tokio::fs::File::open(source).await?;
    file.set_max_buf_size(CHUNK);
    let mut sent = 0;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let count = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        write.data_bytes(Bytes::from(chunk)).await?;
        sent += count as u64;
        on_sent(sent);
    }
}
