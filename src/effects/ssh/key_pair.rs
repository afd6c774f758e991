//! A key of one's own for machines that this program makes.

use russh::keys::{
    PrivateKey,
    ssh_key::{LineEnding, private::Ed25519Keypair},
};
use zeroize::Zeroizing;

use super::user::Secret;

/// An ed25519 key, in the formats of OpenSSH.
pub struct KeyPair {
    /// The text of a private key file, without a passphrase.
    pub private: Secret,
    /// A line of an authorized_keys file, without its end.
    pub public: String,
}

impl KeyPair {
    /// Makes a new one; `comment` says what it is for.
    ///
    /// # Panics
    /// When the operating system has no randomness.
    pub fn new(comment: &str) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).expect("the operating system has randomness");
        let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
        key.set_comment(comment);
        Self::of(&key)
    }

    /// Reads the text of a private key file; `None` when it is none, or has a passphrase.
    pub fn parse(text: &str) -> Option<Self> {
        let key = PrivateKey::from_openssh(text).ok().filter(|key| !key.is_encrypted())?;
        Some(Self::of(&key))
    }

    fn of(key: &PrivateKey) -> Self {
        let private = key.to_openssh(LineEnding::LF).expect("a key that is not encrypted has a text");
        let public = key.public_key().to_openssh().expect("a public key has a text");
        Self { private, public }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let made = KeyPair::new("orchestrator shop");
        assert!(made.public.starts_with("ssh-ed25519 "));
        assert!(made.public.ends_with(" orchestrator shop"));
        assert_eq!(KeyPair::parse(&made.private).unwrap().public, made.public);
        assert!(KeyPair::parse("no key").is_none());
    }
}
