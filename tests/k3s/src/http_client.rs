//! HTTPS requests to a server, with errors in the words of Go's standard library.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls::roots;

/// As K3s's own client.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    /// `https://10.0.0.4:6443`
    server: String,
    /// What messages call the server: an agent speaks through a local balancer.
    shown: String,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// A client that trusts whoever answers: good for fetching a CA that is checked afterwards.
    ///
    /// # Errors
    /// When the server is no URL of this kind.
    pub fn unchecked(server: &str, shown: &str) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Anyone(Arc::clone(&provider)));
        let tls = builder(provider)?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Self::new(server, shown, tls)
    }

    /// A client that trusts servers whose certificate `ca` signed.
    ///
    /// # Errors
    /// When the CA is none, or the server is no URL of this kind.
    pub fn trusting(server: &str, shown: &str, ca: &str) -> Result<Self, String> {
        let roots = roots(ca).map_err(|error| error.0)?;
        let tls = builder(Arc::new(ring::default_provider()))?.with_root_certificates(roots).with_no_client_auth();
        Self::new(server, shown, tls)
    }

    fn new(server: &str, shown: &str, tls: ClientConfig) -> Result<Self, String> {
        let server = server.trim_end_matches('/');
        if !server.starts_with("https://") {
            return Err(format!("only https:// URLs are supported, invalid scheme: {server}"));
        }
        Ok(Self { server: server.into(), shown: shown.trim_end_matches('/').into(), tls: Arc::new(tls) })
    }

    /// Returns the same client for another server of the cluster.
    pub fn at(&self, server: &str) -> Self {
        Self { server: server.into(), ..self.clone() }
    }

    /// Sends a request and returns the answer's body.
    ///
    /// # Errors
    /// When there is no answer, or it says no.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Bytes, String> {
        let answer = self.answer(method, path, headers, body).await?;
        if !answer.status().is_success() {
            return Err(format!("{}{path}: {}", self.shown, answer.status()));
        }
        Ok(answer.into_body())
    }

    /// Sends a request and returns the answer, whatever it says.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn answer(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Response<Bytes>, String> {
        let word = if method == Method::GET { "Get" } else { "Post" };
        let failed = |why: String| format!("{word} \"{}{path}\": {why}", self.shown);
        let exchange = self.exchange(method, path, headers, body);
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(failed("context deadline exceeded (Client.Timeout exceeded while awaiting headers)".into())),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Response<Bytes>, String> {
        let uri: Uri = format!("{}{path}", self.server).parse().map_err(|error| format!("parse: {error}"))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(443);
        let stream =
            TcpStream::connect((host.as_str(), port)).await.map_err(|error| self.refused(&host, port, &error))?;
        let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
        let stream = stream.map_err(|error| handshake(&host, &error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| "EOF".to_owned())?;
        let mut request = Request::builder().method(method).uri(path).header(http::header::HOST, &host);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|_| "EOF".to_owned())?;
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.map_err(|_| "unexpected EOF".to_owned())?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        tokio::pin!(connection, exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            _ = &mut connection => exchange.await,
        }
    }

    fn refused(&self, host: &str, port: u16, error: &io::Error) -> String {
        if self.shown != self.server {
            // The balancer on this machine took the connection, and found no server to pass it to.
            let balancer = self.shown.trim_start_matches("https://");
            return format!("read tcp 127.0.0.1:40000->{balancer}: read: connection reset by peer");
        }
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused => "connect: connection refused".into(),
            io::ErrorKind::HostUnreachable => "connect: no route to host".into(),
            io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".into(),
            io::ErrorKind::TimedOut => "i/o timeout".into(),
            _ if host.parse::<std::net::IpAddr>().is_err() => format!("lookup {host}: no such host"),
            _ => error.to_string(),
        };
        format!("dial tcp {host}:{port}: {why}")
    }
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, String> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}

fn handshake(host: &str, error: &io::Error) -> String {
    let why = match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(TlsError::InvalidCertificate(certificate)) => untrusted(host, certificate),
        Some(other) => format!("remote error: tls: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => return "EOF".into(),
        None => return format!("read: {error}"),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}

fn untrusted(host: &str, error: &CertificateError) -> String {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let date = |time: &UnixTime| {
        jiff::Timestamp::from_second(time.as_secs() as i64)
            .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_default()
    };
    match error {
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("certificate has expired or is not yet valid: current time {now} is before {}", date(not_before))
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("certificate has expired or is not yet valid: current time {now} is after {}", date(not_after))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("certificate is not valid for {host}")
        }
        _ => "certificate signed by unknown authority".into(),
    }
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
