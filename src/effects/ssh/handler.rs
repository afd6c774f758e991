//! What this side answers when the machine speaks first: its host key, and the end of the connection.

use jiff::Timestamp;
use russh::{
    Error,
    client::{DisconnectReason, Handler},
    keys::{Certificate, HashAlg, PublicKey, PublicKeyOrCertificate, ssh_key::certificate::CertType},
};
use tokio::sync::watch;

use super::known_hosts::{KnownHost, Verdict, hostname_matches};

/// Checks the host key before anything is said, and keeps why the connection ended.
pub struct Client {
    pub known: KnownHost,
    /// The name a certificate must be made for.
    pub host: String,
    pub ended: watch::Sender<Option<String>>,
}

/// A host key that is not known as the machine's.
#[derive(Debug, Clone)]
pub struct Rejected {
    pub verdict: Verdict,
    pub algorithm: String,
    pub fingerprint: String,
    /// The key in its wire form.
    pub blob: Vec<u8>,
    /// Why its certificate does not hold, if it is one.
    pub certificate: Option<String>,
}

#[derive(Debug)]
pub enum HandlerError {
    Protocol(Error),
    HostKey(Box<Rejected>),
}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        Self::Protocol(error)
    }
}

impl Handler for Client {
    type Error = HandlerError;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, HandlerError> {
        let key = offered.public_key();
        let blob = wire_form(&key)?;
        let (verdict, certificate) = match offered.certificate() {
            None => (self.known.judge(&blob), None),
            Some(certificate) => self.judge_certificate(certificate, &blob)?,
        };
        if verdict == Verdict::Known && certificate.is_none() {
            return Ok(true);
        }
        Err(HandlerError::HostKey(Box::new(Rejected {
            verdict,
            algorithm: short_name(&key),
            fingerprint: fingerprint(&key),
            blob,
            certificate,
        })))
    }

    async fn disconnected(&mut self, reason: DisconnectReason<HandlerError>) -> Result<(), HandlerError> {
        let (words, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => (format!("the machine said: {}", info.message), Ok(())),
            DisconnectReason::Error(HandlerError::Protocol(error)) => (explain(&error), Err(error.into())),
            DisconnectReason::Error(error) => ("its host key changed".into(), Err(error)),
        };
        self.ended.send_replace(Some(words));
        result
    }
}

impl Client {
    /// A certificate counts if a known authority signed it for this host and this time (ssh-keygen(1), CERTIFICATES).
    fn judge_certificate(
        &self,
        certificate: &Certificate,
        blob: &[u8],
    ) -> Result<(Verdict, Option<String>), HandlerError> {
        let authority = PublicKey::from(certificate.signature_key().clone());
        let verdict = self.known.judge_certificate(blob, &wire_form(&authority)?);
        if verdict != Verdict::Known {
            return Ok((verdict, Some(format!("no known authority signed it ({})", fingerprint(&authority)))));
        }
        let names = certificate.valid_principals();
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        let because = if certificate.cert_type() != CertType::Host {
            Some("it is not made for hosts".into())
        } else if !names.is_empty() && !names.iter().any(|name| hostname_matches(name, &self.host)) {
            Some(format!("it is made for {}, not for {}", names.join(", "), self.host))
        } else {
            let trusted = [authority.fingerprint(HashAlg::Sha256)];
            certificate.validate_at(now, &trusted).err().map(|error| error.to_string())
        };
        Ok((verdict, because))
    }
}

fn wire_form(key: &PublicKey) -> Result<Vec<u8>, Error> {
    Ok(key.to_bytes()?)
}

/// Returns the fingerprint as OpenSSH shows it: `SHA256:...`.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Returns the fingerprint of a key in its wire form.
pub fn fingerprint_of(blob: &[u8]) -> String {
    PublicKey::from_bytes(blob).map_or_else(|_| "an unreadable key".into(), |key| fingerprint(&key))
}

/// `ED25519`, `ECDSA`, `RSA`: as OpenSSH names them to people.
fn short_name(key: &PublicKey) -> String {
    let name = key.algorithm().to_string();
    let name = name.trim_start_matches("sk-").trim_start_matches("ssh-");
    name.split(['-', '@']).next().unwrap_or(name).to_uppercase()
}

/// Says in a person's words how a connection ended.
pub fn explain(error: &Error) -> String {
    match error {
        Error::KeepaliveTimeout => "it no longer answers".into(),
        Error::Disconnect | Error::HUP | Error::RecvError | Error::SendError => "it closed the connection".into(),
        Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => "it closed the connection".into(),
        Error::NoCommonAlgo { kind, theirs, .. } => {
            format!("no common algorithm ({kind:?}); it offers {}", theirs.join(", "))
        }
        other => other.to_string(),
    }
}
