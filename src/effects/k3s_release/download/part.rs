//! A file on its way: what has come so far, and its hash.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};

use super::super::verified::absorb;
use crate::model::hex::hex;

const BUFFER: usize = 1 << 20;

/// `<file>.part`. It stays when the process ends, however it ends, and the next one continues it.
pub struct Part {
    path: PathBuf,
    file: BufWriter<tokio::fs::File>,
    hash: Sha256,
    size: u64,
    /// Whether it was put together from several answers, which may have been of different files.
    pub seam: bool,
}

impl Part {
    /// Opens the part of the file `path`; hashes what is there.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub async fn of(path: &Path) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let opened = path.clone();
        let open = move || {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(opened)?;
            let (hash, size) = absorb(&file)?;
            Ok::<_, io::Error>((file, hash, size))
        };
        let (file, hash, size) = tokio::task::spawn_blocking(open).await??;
        let file = BufWriter::with_capacity(BUFFER, tokio::fs::File::from_std(file));
        Ok(Self { path, file, hash, size, seam: false })
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the SHA-256 of what has come so far, in hexadecimal.
    pub fn sha256(&self) -> String {
        hex(self.hash.clone().finalize())
    }

    /// Forgets what has come so far.
    pub async fn restart(&mut self) -> io::Result<()> {
        if self.size > 0 {
            self.file.flush().await?;
            self.file.get_mut().set_len(0).await?;
            self.file.rewind().await?;
            (self.hash, self.size, self.seam) = (Sha256::new(), 0, false);
        }
        Ok(())
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Has everything that came in the file, for whoever continues.
    pub async fn keep(&mut self) -> io::Result<()> {
        self.file.flush().await
    }

    /// Makes it the file `path`, safe from a power cut.
    pub async fn become_file(mut self, path: &Path) -> io::Result<()> {
        self.file.flush().await?;
        self.file.get_ref().sync_all().await?;
        fs::rename(&self.path, path)
    }

    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_continued_where_it_was_left_and_its_hash_is_that_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k3s");
        let mut first = Part::of(&path).await.unwrap();
        first.write(b"bin").await.unwrap();
        first.keep().await.unwrap();
        drop(first);
        let mut second = Part::of(&path).await.unwrap();
        assert_eq!(second.size(), 3);
        second.write(b"ary").await.unwrap();
        assert_eq!(second.sha256(), "9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd");
        assert!(!path.exists());
        second.become_file(&path).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "binary");
        assert!(!folder.path().join("k3s.part").exists());
    }

    #[tokio::test]
    async fn begun_anew_nothing_is_left_of_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k3s");
        fs::write(folder.path().join("k3s.part"), "a long wrong beginning").unwrap();
        let mut part = Part::of(&path).await.unwrap();
        part.restart().await.unwrap();
        part.write(b"binary").await.unwrap();
        assert_eq!((part.size(), part.sha256().len()), (6, 64));
        part.become_file(&path).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "binary");
    }
}
