//! What a registry has already: pushed by another computer, or by an earlier job of a pipeline.

use std::time::Duration;

use docker_credential::DockerCredential;
use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
};

use super::credentials::{Credentials, DOCKER_HUB};
use crate::{
    effects::computer::variable,
    model::{image::ImageSpec, registry::host},
};

/// How long a registry may take to say what it has; what it does not say is built.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns the digest that a registry has under a tag; `None` also when it does not say.
pub async fn digest(spec: &ImageSpec, reference: &str) -> Option<String> {
    let parsed: Reference = reference.parse().ok()?;
    let registry = host(reference).to_owned();
    let protocol = match spec.plain_http || is_this_computer(&registry) {
        true => ClientProtocol::HttpsExcept(vec![registry]),
        false => ClientProtocol::Https,
    };
    let config = ClientConfig {
        protocol,
        connect_timeout: Some(PATIENCE),
        read_timeout: Some(PATIENCE),
        ..ClientConfig::default()
    };
    let ask = async {
        let client = Client::try_from(config).ok()?;
        client.fetch_manifest_digest(&parsed, &login(spec).await).await.ok()
    };
    tokio::time::timeout(PATIENCE, ask).await.ok()?
}

/// Docker speaks plain HTTP with these too.
fn is_this_computer(registry: &str) -> bool {
    let name = registry.split(':').next().unwrap_or_default();
    name == "localhost" || name.starts_with("127.")
}

/// Returns the login to push with, else the one that Docker keeps.
async fn login(spec: &ImageSpec) -> RegistryAuth {
    let registry = host(&spec.repository).to_owned();
    if let Ok(Some(credentials)) = Credentials::to_push(&registry, spec.login.as_ref(), variable) {
        return credentials.auth();
    }
    let server = if registry == DOCKER_HUB.0 { DOCKER_HUB.1.to_owned() } else { registry };
    // It may run a credential helper.
    let kept = tokio::task::spawn_blocking(move || docker_credential::get_credential(&server)).await;
    match kept {
        Ok(Ok(DockerCredential::UsernamePassword(user, password))) => RegistryAuth::Basic(user, password),
        _ => RegistryAuth::Anonymous,
    }
}
