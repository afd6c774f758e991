//! The key that opens the machines of a cluster. A copy lies among the user's data: without it, machines whose state
//! directory was lost could not be entered any more.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::{
    effects::{ssh::KeyPair, state_directory::write_private},
    failure::{Failure, STATE_UNUSABLE},
};

/// The files that hold the key.
pub struct Key {
    path: PathBuf,
    copy: Option<PathBuf>,
}

impl Key {
    /// The key in the state directory `folder`, with a copy under `data` that is called `name`.
    pub fn new(folder: &Path, data: Option<PathBuf>, name: &str) -> Self {
        Self { path: folder.join("id_ed25519"), copy: data.map(|data| data.join("keys").join(name)) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has a key, and returns its public half.
    ///
    /// # Errors
    /// When its files cannot be read or written.
    pub fn prepare(&self, comment: &str) -> Result<String, Failure> {
        let known = [Some(&self.path), self.copy.as_ref()].into_iter().flatten().find_map(|path| {
            let text = fs::read_to_string(path).ok()?;
            KeyPair::parse(&text)
        });
        let pair = known.unwrap_or_else(|| KeyPair::new(comment));
        for path in [Some(&self.path), self.copy.as_ref()].into_iter().flatten() {
            self.write(path, &pair)?;
        }
        Ok(pair.public)
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
        for path in [Some(&self.path), self.copy.as_ref()].into_iter().flatten() {
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
        let key = Key::new(folder.path(), Some(data.path().into()), "0a1b2c");
        let public = key.prepare("shop").unwrap();
        fs::remove_file(key.path()).unwrap();
        assert_eq!(key.prepare("shop").unwrap(), public);
        key.remove().unwrap();
        key.remove().unwrap();
        assert_ne!(key.prepare("shop").unwrap(), public);
    }
}
