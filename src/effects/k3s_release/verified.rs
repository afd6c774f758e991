//! What files hold, remembered, so that no run reads hundreds of megabytes to learn it again.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, Metadata},
    io::{self, BufRead, BufReader},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{effects::state_directory::write_private, model::hex::hex};

/// A file that was changed so recently may change again without its times showing it.
const SETTLED: Duration = Duration::from_secs(1);

/// The SHA-256 of files, kept in the user's cache directory.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Without one, nothing is remembered.
    file: Option<PathBuf>,
}

/// What a file looks like from outside; when this is the same, so are its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Looks {
    size: u64,
    device: u64,
    inode: u64,
    /// Nanoseconds since 1970.
    modified: i128,
    /// Nanoseconds since 1970; unlike `modified`, nobody can set it.
    changed: i128,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    looks: Looks,
    sha256: String,
}

type Entries = BTreeMap<PathBuf, Entry>;

impl Verified {
    /// Remembers in `folder`, which need not exist.
    pub fn new(folder: Option<&Path>) -> Self {
        Self { file: folder.map(|folder| folder.join("verified.json")) }
    }

    /// Returns a file's SHA-256 in hexadecimal and its size in bytes. Reads the file only if it may have changed since
    /// it was last read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn sha256(&self, path: &Path) -> io::Result<(String, u64)> {
        let looks = Looks::of(path)?;
        if let Some(known) = self.load().remove(path).filter(|known| known.looks == looks) {
            return Ok((known.sha256, looks.size));
        }
        let owned = path.to_owned();
        let (hash, size) = tokio::task::spawn_blocking(move || absorb(File::open(owned)?)).await??;
        let sha256 = hex(hash.finalize());
        if looks.settled() && Looks::of(path)? == looks {
            self.remember(path, looks, &sha256);
        }
        Ok((sha256, size))
    }

    /// Remembers what a file holds that nobody else changes.
    pub fn know(&self, path: &Path, sha256: &str) {
        if let Ok(looks) = Looks::of(path) {
            self.remember(path, looks, sha256);
        }
    }

    /// A memory that cannot be written only costs time.
    fn remember(&self, path: &Path, looks: Looks, sha256: &str) {
        let Some(file) = &self.file else { return };
        let mut entries = self.load();
        entries.retain(|path, _| path.exists());
        entries.insert(path.to_owned(), Entry { looks, sha256: sha256.into() });
        let Ok(text) = serde_json::to_string(&entries) else { return };
        let folder = file.parent().unwrap_or(Path::new("/"));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let _ = made.and_then(|()| write_private(file, &text));
    }

    fn load(&self) -> Entries {
        let text = self.file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

impl Looks {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&fs::metadata(path)?))
    }

    fn settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.changed + (SETTLED.as_nanos() as i128) < now.as_nanos() as i128
    }
}

impl From<&Metadata> for Looks {
    fn from(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            size: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads to the end. Returns the hash so far and the count of bytes.
pub(super) fn absorb(file: impl io::Read) -> io::Result<(Sha256, u64)> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut file = BufReader::with_capacity(1 << 20, file);
    loop {
        let bytes = file.fill_buf()?;
        let count = bytes.len();
        if count == 0 {
            return Ok((hash, size));
        }
        hash.update(bytes);
        file.consume(count);
        size += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Of the text `binary`.
    const BINARY: &str = "9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd";

    struct Place {
        folder: tempfile::TempDir,
        verified: Verified,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("k3s"), "binary").unwrap();
            let verified = Verified::new(Some(&folder.path().join("cache/orchestrator")));
            Self { folder, verified }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("k3s")
        }

        fn memory(&self) -> PathBuf {
            self.verified.file.clone().unwrap()
        }

        async fn sha256(&self) -> String {
            self.verified.sha256(&self.path()).await.unwrap().0
        }

        /// Has the memory say something else, so that a test sees who answers.
        fn forge(&self) {
            self.verified.know(&self.path(), "remembered");
        }
    }

    #[tokio::test]
    async fn a_file_that_looks_the_same_is_not_read_again() {
        let place = Place::new();
        assert_eq!(place.sha256().await, BINARY);
        place.forge();
        assert_eq!(place.sha256().await, "remembered");
        assert_eq!(fs::metadata(place.memory()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn another_size_another_inode_or_another_time_has_it_read_again() {
        let place = Place::new();
        place.forge();
        fs::write(place.path(), "binaries").unwrap();
        assert_ne!(place.sha256().await, "remembered");

        place.forge();
        let times = fs::metadata(place.path()).unwrap().modified().unwrap();
        let copy = place.folder.path().join("copy");
        fs::write(&copy, "BINARIES").unwrap();
        File::options().write(true).open(&copy).unwrap().set_modified(times).unwrap();
        fs::rename(&copy, place.path()).unwrap();
        assert_ne!(place.sha256().await, "remembered");

        place.forge();
        File::options().write(true).open(place.path()).unwrap().set_modified(UNIX_EPOCH).unwrap();
        assert_ne!(place.sha256().await, "remembered");
    }

    #[tokio::test]
    async fn a_file_that_was_just_written_is_read_and_not_yet_remembered() {
        let place = Place::new();
        place.sha256().await;
        assert!(!place.memory().exists());
    }

    #[tokio::test]
    async fn a_memory_that_cannot_be_read_is_begun_anew() {
        let place = Place::new();
        place.forge();
        fs::write(place.memory(), "{").unwrap();
        assert_eq!(place.sha256().await, BINARY);
        place.forge();
        assert_eq!(place.sha256().await, "remembered");
    }

    #[tokio::test]
    async fn without_a_place_nothing_is_remembered() {
        let place = Place::new();
        let verified = Verified::new(None);
        verified.know(&place.path(), "remembered");
        assert_eq!(verified.sha256(&place.path()).await.unwrap(), (BINARY.into(), 6));
    }

    #[test]
    fn what_no_longer_exists_is_forgotten() {
        let place = Place::new();
        place.forge();
        let other = place.folder.path().join("other");
        fs::write(&other, "").unwrap();
        fs::remove_file(place.path()).unwrap();
        place.verified.know(&other, "x");
        assert_eq!(place.verified.load().into_keys().collect::<Vec<_>>(), [other]);
    }
}
