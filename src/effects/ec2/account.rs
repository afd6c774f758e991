//! Whose account it is: credentials, region and addresses, found as every program of Amazon finds them.

use std::{
    env,
    time::{Duration, SystemTime},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use tokio::sync::{Mutex, OnceCell};

use super::error::{AwsError, Why};
use crate::failure::{AWS_REGION_MISSING, Failure};

/// Credentials are fetched anew so long before they run out.
const EARLY: Duration = Duration::from_secs(300);

/// What requests are signed with and where they go. Nothing is read before it is needed.
pub struct Account {
    region: Option<String>,
    profile: Option<String>,
    /// Where every service is, whatever the environment says.
    endpoint: Option<String>,
    loaded: OnceCell<SdkConfig>,
    credentials: Mutex<Option<Credentials>>,
}

impl Account {
    /// The account of `profile` and its `region`; without them, what the environment and `~/.aws` say.
    pub fn new(region: Option<String>, profile: Option<String>) -> Self {
        Self { region, profile, endpoint: None, loaded: OnceCell::new(), credentials: Mutex::default() }
    }

    /// The account that this key opens, at this address; the environment is not looked at.
    pub fn given(region: &str, endpoint: &str, access_key: &str, secret: &str) -> Self {
        let credentials = Credentials::new(access_key, secret, None, None, "given");
        Self {
            endpoint: Some(endpoint.into()),
            credentials: Mutex::new(Some(credentials)),
            ..Self::new(Some(region.into()), None)
        }
    }

    /// The same account in another region.
    pub fn elsewhere(&self, region: &str) -> Self {
        let credentials = self.credentials.try_lock().ok().and_then(|held| held.clone());
        Self {
            endpoint: self.endpoint.clone(),
            credentials: Mutex::new(credentials),
            ..Self::new(Some(region.into()), self.profile.clone())
        }
    }

    async fn loaded(&self) -> &SdkConfig {
        let load = async || {
            let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
            let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
            if let Some(region) = &self.region {
                loader = loader.region(Region::new(region.clone()));
            }
            if let Some(profile) = &self.profile {
                loader = loader.profile_name(profile);
            }
            loader.load().await
        };
        self.loaded.get_or_init(load).await
    }

    /// # Errors
    /// When neither the configuration nor the environment says which.
    pub async fn region(&self) -> Result<String, Failure> {
        if let Some(region) = &self.region {
            return Ok(region.clone());
        }
        let region = self.loaded().await.region().map(ToString::to_string);
        region.ok_or_else(|| {
            Failure::new(&AWS_REGION_MISSING, "no AWS region is chosen")
                .because("neither `[ec2] region`, `AWS_REGION` nor the profile says which")
                .hint("aws configure set region eu-west-3")
        })
    }

    /// Returns where a service is spoken to in `region`: `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL`, the profile's
    /// `endpoint_url`, or Amazon's own address.
    pub async fn endpoint(&self, service: &str, region: &str) -> String {
        if let Some(endpoint) = &self.endpoint {
            return endpoint.clone();
        }
        let own = env::var(format!("AWS_ENDPOINT_URL_{}", service.to_uppercase())).ok();
        let given = own.or_else(|| env::var("AWS_ENDPOINT_URL").ok()).filter(|url| !url.is_empty());
        let given = match given {
            None => self.loaded().await.endpoint_url().map(str::to_owned),
            given => given,
        };
        given.unwrap_or_else(|| {
            let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("https://{service}.{region}.{domain}")
        })
    }

    /// Returns credentials that hold for a while; fresh ones when the last were refused.
    ///
    /// # Errors
    /// When there are none.
    pub async fn credentials(
        &self,
        service: &'static str,
        action: &'static str,
        fresh: bool,
    ) -> Result<Credentials, AwsError> {
        let mut held = self.credentials.lock().await;
        let holds = |known: &&Credentials| known.expiry().is_none_or(|end| SystemTime::now() + EARLY < end);
        if let Some(known) = held.as_ref().filter(holds).filter(|_| !fresh || self.endpoint.is_some()) {
            return Ok(known.clone());
        }
        let none = |why: String| {
            let why =
                format!("no credentials in the environment, in ~/.aws, of a web identity or of this machine: {why}");
            AwsError::new(service, action, Why::NoCredentials(why))
        };
        let provider = self.loaded().await.credentials_provider().ok_or_else(|| none("no provider".into()))?;
        let found = provider.provide_credentials().await.map_err(|error| none(words(&error)))?;
        *held = Some(found.clone());
        Ok(found)
    }
}

/// Returns what an error and its causes say, each once.
fn words(error: &dyn std::error::Error) -> String {
    let mut said = vec![error.to_string()];
    let mut below = error.source();
    while let Some(cause) = below {
        let text = cause.to_string();
        if said.iter().all(|known| !known.contains(&text)) {
            said.push(text);
        }
        below = cause.source();
    }
    said.join(": ")
}
