//! Certificates: the cluster's authorities, the serving certificate, client certificates.

use std::{
    collections::BTreeSet,
    fs,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use time::{Duration, OffsetDateTime};

use crate::{
    log::Fatal,
    paths::{Paths, write},
};

/// The authorities of a cluster, below `server/tls`, and how their names begin.
const AUTHORITIES: [(&str, &str); 5] = [
    ("server-ca", "k3s-server-ca"),
    ("client-ca", "k3s-client-ca"),
    ("request-header-ca", "k3s-request-header-ca"),
    ("etcd/peer-ca", "etcd-peer-ca"),
    ("etcd/server-ca", "etcd-server-ca"),
];
const SERVICE_KEY: &str = "service.key";
const KUBERNETES: [&str; 5] =
    ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"];

/// Returns the files, below `server/tls`, that all servers of a cluster share.
pub fn shared_files() -> Vec<String> {
    let pairs = AUTHORITIES.iter().flat_map(|(file, _)| [format!("{file}.crt"), format!("{file}.key")]);
    pairs.chain([SERVICE_KEY.to_owned()]).collect()
}

/// Makes the authorities that are missing; those that are there stay.
///
/// # Errors
/// When a file cannot be written.
pub fn ensure_authorities(paths: &Paths) -> Result<(), Fatal> {
    for (file, name) in AUTHORITIES {
        let (certificate, key) = (paths.tls(&format!("{file}.crt")), paths.tls(&format!("{file}.key")));
        if !certificate.exists() || !key.exists() {
            let (certificate_text, key_text) = authority(name)?;
            write(&key, key_text, 0o600)?;
            write(&certificate, certificate_text, 0o644)?;
        }
    }
    if !paths.tls(SERVICE_KEY).exists() {
        write(&paths.tls(SERVICE_KEY), KeyPair::generate()?.serialize_pem(), 0o600)?;
    }
    Ok(())
}

fn authority(name: &str) -> Result<(String, String), Fatal> {
    let now = now();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("{name}@{}", now.unix_timestamp()));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.not_before = now;
    params.not_after = now + Duration::days(3650);
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().replace_nanosecond(0).expect("0 is a nanosecond")
}

/// An authority that signs.
pub struct Authority {
    /// Its certificate, and those above it, as PEM.
    pub pem: String,
    not_before: OffsetDateTime,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads an authority below `server/tls`.
    ///
    /// # Errors
    /// When its files are missing or of no use.
    pub fn read(paths: &Paths, file: &str) -> Result<Self, Fatal> {
        let path = paths.tls(&format!("{file}.crt"));
        let broken = |error: &dyn std::fmt::Display| Fatal(format!("failed to read {}: {error}", path.display()));
        let pem = fs::read_to_string(&path).map_err(|error| broken(&error))?;
        let key = fs::read_to_string(paths.tls(&format!("{file}.key"))).map_err(|error| broken(&error))?;
        let key = KeyPair::from_pem(&key).map_err(|error| broken(&error))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(|error| broken(&error))?;
        let not_before = not_before(&pem).ok_or_else(|| broken(&"no certificate"))?;
        Ok(Self { pem, not_before, issuer })
    }

    /// Signs a certificate for a year and returns it, with its chain, and its key, as PEM.
    ///
    /// # Errors
    /// When a name is none.
    pub fn sign(
        &self,
        name: &str,
        group: Option<&str>,
        usage: ExtendedKeyUsagePurpose,
        alternatives: impl IntoIterator<Item = String>,
    ) -> Result<(String, String), Fatal> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.not_before = self.not_before;
        params.not_after = now() + Duration::days(365);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![usage];
        for alternative in alternatives {
            params.subject_alt_names.push(match alternative.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(alternative.as_str().try_into()?),
            });
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem() + &self.pem, key.serialize_pem()))
    }
}

fn not_before(pem: &str) -> Option<OffsetDateTime> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    Some(certificate.validity().not_before.to_datetime())
}

/// The serving certificate: one for all servers of the cluster, made anew when a name comes to it.
#[derive(Debug)]
pub struct Serving {
    state: Mutex<State>,
    own: Vec<String>,
    file: std::path::PathBuf,
}

#[derive(Debug)]
struct State {
    names: BTreeSet<String>,
    key: Option<Arc<CertifiedKey>>,
}

impl Serving {
    /// Takes up the names that were served before; `own` are those of this server.
    pub fn open(paths: &Paths, own: Vec<String>) -> Self {
        let file = paths.tls("dynamic-cert.json");
        let before = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let mut names: BTreeSet<String> = before.unwrap_or_default();
        names.extend(KUBERNETES.map(str::to_owned));
        names.extend(["127.0.0.1", "::1", "10.43.0.1"].map(str::to_owned));
        Self { state: Mutex::new(State { names, key: None }), own, file }
    }

    /// Adds names and addresses, if they are not there yet.
    ///
    /// # Errors
    /// When the certificate cannot be signed or the names cannot be kept.
    pub fn add(&self, authority: &Authority, names: impl IntoIterator<Item = String>) -> Result<(), Fatal> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.names.len();
        state.names.extend(names);
        if state.key.is_some() && state.names.len() == count {
            return Ok(());
        }
        write(&self.file, serde_json::to_vec(&state.names)?, 0o600)?;
        let names = state.names.iter().cloned();
        let (chain, key) = authority.sign("k3s", Some("k3s"), ExtendedKeyUsagePurpose::ServerAuth, names)?;
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        state.key = Some(Arc::new(CertifiedKey::from_der(chain, key, &ring::default_provider())?));
        Ok(())
    }

    /// Returns the names and addresses of this server.
    pub fn own(&self) -> Vec<String> {
        self.own.clone()
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).key.clone()
    }
}

/// Returns what a listener needs: the serving certificate, and the authority of clients that show a certificate.
///
/// # Errors
/// When the client authority is of no use.
pub fn listener(serving: Arc<Serving>, client_ca: &str) -> Result<Arc<ServerConfig>, Fatal> {
    let provider = Arc::new(ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(client_ca)?), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(serving);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Returns the certificates in a PEM text as authorities to trust.
///
/// # Errors
/// When one of them is none.
pub fn roots(pem: &str) -> Result<RootCertStore, Fatal> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

/// Signs a client certificate into `folder`, once, and returns it and its key as PEM.
///
/// # Errors
/// When it cannot be written.
pub fn client(authority: &Authority, at: &Path, name: &str, group: &str) -> Result<(String, String), Fatal> {
    let (certificate, key) = (at.with_extension("crt"), at.with_extension("key"));
    if let (Ok(certificate), Ok(key)) = (fs::read_to_string(&certificate), fs::read_to_string(&key)) {
        return Ok((certificate, key));
    }
    let made = authority.sign(name, Some(group), ExtendedKeyUsagePurpose::ClientAuth, [])?;
    write(&key, &made.1, 0o600)?;
    write(&certificate, &made.0, 0o600)?;
    Ok(made)
}
