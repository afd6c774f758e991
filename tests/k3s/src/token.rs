//! Tokens: `K10<hash of the CA>::<user>:<secret>`, or the secret alone.

use crate::log::Fatal;
use orchestrator::{model::hex::hex, rehearsal::kubeconfig::ca_hash};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

const PREFIX: &str = "K10";

/// A token, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Hash of the cluster's CA; a short token has none.
    pub ca_hash: Option<String>,
    /// Who the token is for: `server`, `node`, or empty.
    pub user: String,
    pub secret: String,
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    /// In K3s's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("token must not be empty".into());
        }
        let Some(full) = text.strip_prefix(PREFIX) else {
            return Ok(Self { ca_hash: None, user: String::new(), secret: text.into() });
        };
        let (hash, credentials) = full.split_once("::").unwrap_or(("", full));
        if !hash.is_empty() && hash.len() != 64 {
            return Err("invalid token CA hash length".into());
        }
        let (user, secret) =
            credentials.split_once(':').filter(|(_, secret)| !secret.is_empty()).ok_or("invalid token format")?;
        let ca_hash = Some(hash.to_owned()).filter(|hash| !hash.is_empty());
        Ok(Self { ca_hash, user: user.into(), secret: secret.into() })
    }

    /// Returns the full token that servers write to files.
    pub fn full(ca: &str, user: &str, secret: &str) -> String {
        format!("{PREFIX}{}::{user}:{secret}", hash(ca))
    }
}

/// Runs `k3s token` and returns what it prints: a random token, as far as the stand-in goes.
///
/// # Errors
/// For the commands that it does not play.
pub fn run(arguments: &[String]) -> Result<String, Fatal> {
    let letters = uuid::Uuid::new_v4().simple().to_string();
    match arguments.first().map(String::as_str) {
        Some("generate") => Ok(format!("{}.{}", &letters[..6], &letters[6..22])),
        other => Err(Fatal(format!("the stand-in has no `k3s token {}`", other.unwrap_or_default()))),
    }
}

/// Returns the hash of a CA bundle in PEM: of the file when it holds one certificate, else of the root's DER.
pub fn hash(ca: &str) -> String {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(ca.as_bytes()).flatten().collect();
    let root = certificates.iter().skip(1).find(|der| is_self_signed(der));
    match root {
        Some(root) => hex(Sha256::digest(root)),
        None => ca_hash(ca),
    }
}

fn is_self_signed(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| certificate.subject() == certificate.issuer())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_apart() {
        let hash = "a".repeat(64);
        let full = Token::parse(&format!("K10{hash}::server:s3:cret")).unwrap();
        assert_eq!(full, Token { ca_hash: Some(hash), user: "server".into(), secret: "s3:cret".into() });
        assert_eq!(Token::parse("short").unwrap().secret, "short");
        assert_eq!(Token::parse("K10abc::server:x").unwrap_err(), "invalid token CA hash length");
        assert_eq!(Token::parse("K10x").unwrap_err(), "invalid token format");
    }
}
