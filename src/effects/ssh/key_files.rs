//! Private keys in files. What was asked for one is remembered for the run, and only in memory.

use std::{
    cell::RefCell,
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use russh::keys::{Error, PrivateKey, PublicKey, decode_secret_key};

use super::{error::Outcome, user::SshUser};

/// How often a passphrase is asked for before the key is given up.
const TRIES: usize = 3;

/// A key file, as far as it can be read without a passphrase.
#[derive(Clone)]
pub enum KeyFile {
    Open(Arc<PrivateKey>),
    /// The public half is known if the format or a `.pub` file beside it tells.
    Encrypted(Option<PublicKey>),
}

/// The encrypted keys that were opened, or given up.
#[derive(Default)]
pub struct KeyFiles(RefCell<HashMap<PathBuf, Result<Arc<PrivateKey>, Outcome>>>);

impl KeyFile {
    /// Reads a key file.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(path: &Path) -> Result<Self, Outcome> {
        let text = read(path)?;
        match decode_secret_key(&text, None) {
            Ok(key) => Ok(Self::Open(Arc::new(key))),
            Err(error) => {
                let public = PrivateKey::from_openssh(&text).map(|key| key.public_key().clone()).ok();
                let encrypted = public.is_some() || matches!(error, Error::KeyIsEncrypted) || says_encrypted(&text);
                let words = || Outcome::Unreadable(format!("no usable private key: {error}"));
                if encrypted { Ok(Self::Encrypted(public.or_else(|| beside(path)))) } else { Err(words()) }
            }
        }
    }

    pub fn public(&self) -> Option<PublicKey> {
        match self {
            Self::Open(key) => Some(key.public_key().clone()),
            Self::Encrypted(public) => public.clone(),
        }
    }
}

fn read(path: &Path) -> Result<String, Outcome> {
    fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Outcome::Missing,
        _ => Outcome::Unreadable(error.to_string()),
    })
}

fn says_encrypted(text: &str) -> bool {
    text.contains("ENCRYPTED")
}

/// Reads the public half from the `.pub` file beside a key.
pub fn beside(path: &Path) -> Option<PublicKey> {
    let text = fs::read_to_string(with_suffix(path, ".pub")).ok()?;
    PublicKey::from_openssh(text.trim()).ok()
}

/// Returns the path with something added to its name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl SshUser {
    /// Opens an encrypted key, asking for its passphrase once per run.
    ///
    /// # Errors
    /// Why it stays closed.
    pub async fn open_key(&self, path: &Path) -> Result<Arc<PrivateKey>, Outcome> {
        let turn = self.turn().await;
        if let Some(known) = self.keys.0.borrow().get(path) {
            return known.clone();
        }
        let text = read(path)?;
        let mut result = Err(Outcome::NoTerminal);
        for _ in 0..TRIES {
            let question = format!("passphrase of {}: ", path.display());
            let Some(passphrase) = turn.secret(&question).await else { break };
            // Deriving the key from the passphrase takes half a second by design.
            let text = text.clone();
            let open = tokio::task::spawn_blocking(move || decode_secret_key(&text, Some(&passphrase)));
            result = open.await.ok().and_then(Result::ok).map(Arc::new).ok_or(Outcome::WrongPassphrase);
            if result.is_ok() {
                break;
            }
        }
        self.keys.0.borrow_mut().insert(path.to_owned(), result.clone());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert_eq!(KeyFile::read(&path).err(), Some(Outcome::Missing));
        fs::write(&path, "rubbish").unwrap();
        assert!(matches!(KeyFile::read(&path), Err(Outcome::Unreadable(_))));
        assert!(matches!(KeyFile::read(folder.path()), Err(Outcome::Unreadable(_))));
    }
}
