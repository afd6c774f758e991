//! A key of one's own for machines that this program makes.

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::{
    PrivateKey,
    ssh_key::{LineEnding, private::Ed25519Keypair},
};
use sha2::Sha256;
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

    /// Returns the key that this one and `label` decide: whoever has this one can make it again.
    ///
    /// # Panics
    /// Never: every pair is of an ed25519 key.
    pub fn derive(&self, label: &str) -> Self {
        let key = PrivateKey::from_openssh(self.private.as_bytes()).expect("a key pair holds a key");
        let own = key.key_data().ed25519().expect("an ed25519 key");
        let mut mac = Hmac::<Sha256>::new_from_slice(&own.private.to_bytes()).expect("any length will do");
        mac.update(label.as_bytes());
        let seed = Zeroizing::new(mac.finalize().into_bytes().into());
        let mut derived = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
        derived.set_comment(label);
        Self::of(&derived)
    }

    /// Reads the text of a private key file; `None` when it is none of an ed25519 key, or has a passphrase.
    pub fn parse(text: &str) -> Option<Self> {
        let key = PrivateKey::from_openssh(text).ok().filter(|key| !key.is_encrypted())?;
        key.key_data().ed25519()?;
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
    fn keys_that_are_derived_are_the_same_each_time_and_differ_by_their_label() {
        let (one, other) = (KeyPair::new("one"), KeyPair::new("other"));
        let read = KeyPair::parse(&one.private).unwrap();
        assert_eq!(one.derive("a").public, read.derive("a").public);
        assert_ne!(one.derive("a").public, one.derive("b").public);
        assert_ne!(one.derive("a").public, other.derive("a").public);
    }

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let made = KeyPair::new("orchestrator shop");
        assert!(made.public.starts_with("ssh-ed25519 "));
        assert!(made.public.ends_with(" orchestrator shop"));
        assert_eq!(KeyPair::parse(&made.private).unwrap().public, made.public);
        assert!(KeyPair::parse("no key").is_none());
    }
}
