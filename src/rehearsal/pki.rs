//! The rehearsal cluster's certificates.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

const CA: &str = "ca.crt";
const SERVING: &str = "serving.crt";
const SERVING_KEY: &str = "serving.key";
const NAMES: [&str; 5] =
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

/// What a server needs to prove who it is.
#[derive(Clone)]
pub struct Tls {
    /// The CA's certificate as PEM: what a kubeconfig holds as `certificate-authority-data`.
    pub ca: String,
    /// The serving certificate and key, ready for a listener.
    pub config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the certificates in `folder`, making them first when they are absent: a CA and a certificate for
    /// 127.0.0.1, `localhost` and `kubernetes`, as files that only the user can read.
    ///
    /// # Errors
    /// When the folder cannot be written or its files are no certificates.
    pub fn load(folder: &Path) -> io::Result<Self> {
        if !folder.join(SERVING_KEY).exists() {
            generate(folder)?;
        }
        let ca = fs::read_to_string(folder.join(CA))?;
        let chain = CertificateDer::pem_file_iter(folder.join(SERVING)).map_err(io::Error::other)?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(folder.join(SERVING_KEY)).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { ca, config: Arc::new(config) })
    }
}

fn generate(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let ca_key = KeyPair::generate().map_err(io::Error::other)?;
    let ca_params = ca_params();
    let ca = ca_params.self_signed(&ca_key).map_err(io::Error::other)?;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let issuer = Issuer::new(ca_params, ca_key);
    let serving = serving_params()?.signed_by(&key, &issuer).map_err(io::Error::other)?;
    write_private(&folder.join(CA), &ca.pem())?;
    write_private(&folder.join(SERVING), &serving.pem())?;
    write_private(&folder.join(SERVING_KEY), &key.serialize_pem())
}

fn validity(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2124, 1, 1);
    params
}

fn ca_params() -> CertificateParams {
    let mut params = validity(CertificateParams::default());
    params.distinguished_name.push(DnType::CommonName, "rehearsal-server-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn serving_params() -> io::Result<CertificateParams> {
    let names = NAMES.map(str::to_owned);
    let mut params = validity(CertificateParams::new(names).map_err(io::Error::other)?);
    params.distinguished_name.push(DnType::CommonName, "rehearsal");
    params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn certificates_are_made_once_and_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = Tls::load(folder.path()).unwrap();
        assert_eq!(Tls::load(folder.path()).unwrap().ca, first.ca);
        for file in [CA, SERVING, SERVING_KEY] {
            let mode = fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}
