//! The key that opens the machines of a cluster. A copy lies among the user's data: without it, machines whose state
//! directory was lost could not be entered any more.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{ssh::KeyPair, state_directory::write_private};
use crate::failure::{Failure, STATE_UNUSABLE};

/// The files that hold the key.
pub struct MachinesKey {
    path: PathBuf,
    copy: Option<PathBuf>,
    /// The user's, for where neither of them is kept: a runner that begins with nothing each time.
    given: Option<PathBuf>,
}

impl MachinesKey {
    /// The key in the state directory `folder`, with a copy under `data` that is called `name`.
    pub fn new(folder: &Path, data: Option<PathBuf>, name: &str) -> Self {
        Self { path: folder.join("id_ed25519"), copy: data.map(|data| data.join("keys").join(name)), given: None }
    }

    /// Takes the key in this file where there is none yet; the file is left alone.
    #[must_use]
    pub fn or_given(self, given: Option<PathBuf>) -> Self {
        Self { given, ..self }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has a key, and returns its public half.
    ///
    /// # Errors
    /// When its files cannot be read or written.
    pub fn prepare(&self, comment: &str) -> Result<String, Failure> {
        let pair = self.read().unwrap_or_else(|| KeyPair::new(comment));
        for path in self.files() {
            self.write(path, &pair)?;
        }
        Ok(pair.public)
    }

    /// Returns the key, if there is one.
    pub fn read(&self) -> Option<KeyPair> {
        self.files().chain(&self.given).find_map(|path| KeyPair::parse(&fs::read_to_string(path).ok()?))
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [Some(&self.path), self.copy.as_ref()].into_iter().flatten()
    }

    fn write(&self, path: &Path, pair: &KeyPair) -> Result<(), Failure> {
        if fs::read_to_string(path).is_ok_and(|known| known == *pair.private) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| write_private(path, &pair.private))
            .map_err(|error| unusable(path, &error))
    }

    /// Removes the key and its copy: what it opened is gone.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove(&self) -> Result<(), Failure> {
        for path in self.files() {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(path, &error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(&STATE_UNUSABLE, format!("cannot use {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_outlives_the_state_directory_and_goes_with_its_machines() {
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = MachinesKey::new(folder.path(), Some(data.path().into()), "0a1b2c");
        let public = key.prepare("shop").unwrap();
        fs::remove_file(key.path()).unwrap();
        assert_eq!(key.prepare("shop").unwrap(), public);
        key.remove().unwrap();
        key.remove().unwrap();
        assert_ne!(key.prepare("shop").unwrap(), public);
    }

    #[test]
    fn a_given_key_is_taken_where_there_is_none_and_left_where_it_is() {
        let (folder, given) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let pair = KeyPair::new("mine");
        fs::write(given.path(), pair.private.as_bytes()).unwrap();
        let key = MachinesKey::new(folder.path(), None, "").or_given(Some(given.path().into()));
        assert_eq!(key.prepare("shop").unwrap(), pair.public);
        assert_eq!(fs::read_to_string(key.path()).unwrap(), *pair.private);
        key.remove().unwrap();
        assert_eq!(key.read().unwrap().public, pair.public);
    }
}
