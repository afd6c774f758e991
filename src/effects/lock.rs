//! Files that one process holds at a time. The kernel frees them when it ends, however it ends.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, never read")] File);

/// What came of asking for a lock.
#[derive(Debug)]
pub enum Asked {
    Got(Lock),
    /// Another process holds it; this is what it is called.
    HeldBy(String),
}

/// Asks for the lock that is the file `path`, waiting for nobody. `program` is what others are told about this process.
///
/// # Errors
/// When the file cannot be made or locked.
pub fn ask(path: &Path, program: &str) -> io::Result<Asked> {
    let mut file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => {
            let holder = format!("process {} ({program})\n", std::process::id());
            file.set_len(0).and_then(|()| file.write_all(holder.as_bytes()))?;
            Ok(Asked::Got(Lock(file)))
        }
        Err(TryLockError::WouldBlock) => Ok(Asked::HeldBy(holder(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn holder(file: &mut File) -> String {
    let mut holder = String::new();
    match file.read_to_string(&mut holder) {
        Ok(_) if !holder.trim().is_empty() => holder.trim().into(),
        _ => "another process".into(),
    }
}
