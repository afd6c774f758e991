//! A CA of a cluster's own.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// As long as K3s gives its own CAs (docs.k3s.io/cli/certificate).
const VALID: Duration = Duration::from_secs(3650 * 24 * 3600);
/// A machine whose clock is a little behind accepts it too.
const LENIENCE: Duration = Duration::from_secs(24 * 3600);

/// A certificate and its private key, both as PEM.
pub struct Authority {
    pub certificate: String,
    pub key: String,
}

/// Makes a CA with a P-256 key, named `<name>@<seconds since 1970>` as K3s does.
pub fn generate(name: &str) -> Authority {
    let now = SystemTime::now();
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("{name}@{seconds}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.not_before = (now - LENIENCE).into();
    params.not_after = (now + VALID).into();
    let key = KeyPair::generate().expect("random numbers are to be had");
    let certificate = params.self_signed(&key).expect("the parameters are complete");
    Authority { certificate: certificate.pem(), key: key.serialize_pem() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_authorities_differ_and_are_pem() {
        let (one, other) = (generate("k3s-server-ca"), generate("k3s-server-ca"));
        assert_ne!(one.certificate, other.certificate);
        assert!(one.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(one.key.starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
