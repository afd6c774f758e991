use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::super::error::SshError;

/// Adds a key of `host` at `port` to `file`, which is made if it is not there. Others may do so at the same time.
///
/// # Errors
/// When the file cannot be written.
pub fn add(file: &Path, host: &str, port: u16, algorithm: &str, blob: &[u8]) -> Result<(), SshError> {
    let host = host.to_lowercase();
    let name = if port == 22 { host } else { format!("[{host}]:{port}") };
    let line = format!("{name} {algorithm} {}\n", STANDARD.encode(blob));
    append(file, &line).map_err(|error| SshError::KnownHosts { file: file.to_owned(), because: error.to_string() })
}

/// Nobody ever reads half of it: the new content takes the old one's place by a rename.
fn append(file: &Path, line: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let _held = lock(file)?;
    let mut text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if text.lines().any(|known| known == line.trim_end()) {
        return Ok(());
    }
    text.push_str(line);
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// A file beside it is locked, since the file itself is replaced.
fn lock(file: &Path) -> io::Result<File> {
    let path = file.with_extension("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    lock.lock()?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_added_once_to_a_file_of_ones_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        add(&file, "A.example", 2222, "ssh-ed25519", b"key").unwrap();
        add(&file, "a.example", 2222, "ssh-ed25519", b"key").unwrap();
        add(&file, "b", 22, "ssh-ed25519", b"other").unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, "[a.example]:2222 ssh-ed25519 a2V5\nb ssh-ed25519 b3RoZXI=\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn two_at_a_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        std::thread::scope(|scope| {
            for number in 0..16_u8 {
                let file = &file;
                scope.spawn(move || add(file, &format!("host-{number}"), 22, "ssh-ed25519", &[number]).unwrap());
            }
        });
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 16);
    }
}
