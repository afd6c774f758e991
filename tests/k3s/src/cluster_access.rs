//! Coming to a cluster: its CA is fetched, held against the token, and trusted from then on.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Response};

use crate::{
    http_client::Client,
    log,
    token::{Token, hash},
};

/// A way into a cluster: a server that was checked, and what proves us to it.
#[derive(Clone)]
pub struct Access {
    client: Client,
    /// The cluster's CA, as PEM.
    pub ca: String,
    user: String,
    secret: String,
}

impl Access {
    /// Fetches the CA of the cluster at `server` and checks it against the hash in the token, before anything secret is
    /// sent. Messages call the server `shown`; `user` replaces the one in the token.
    ///
    /// # Errors
    /// In K3s's words.
    pub async fn open(server: &str, shown: &str, token: &str, user: &str) -> Result<Self, String> {
        let token = Token::parse(token)?;
        let unchecked = Client::unchecked(server, shown)?;
        let ca = get(&unchecked, "/cacerts").await.map_err(|error| format!("failed to get CA certs: {error}"))?;
        let ca = String::from_utf8_lossy(&ca).into_owned();
        let client = Client::trusting(server, shown, &ca)?;
        get(&client, "/cacerts").await.map_err(|error| format!("CA cert validation failed: {error}"))?;
        match &token.ca_hash {
            None => log::warning(
                "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. \
                 Use the full token from the server's node-token file to enable Cluster CA validation.",
            ),
            Some(wanted) if *wanted != hash(&ca) => {
                let found = hash(&ca);
                return Err(format!(
                    "token CA hash does not match the Cluster CA certificate hash: {wanted} != {found}"
                ));
            }
            Some(_) => {}
        }
        Ok(Self { client, ca, user: user.into(), secret: token.secret })
    }

    /// Returns the same access through another server.
    pub fn at(&self, server: &str) -> Self {
        Self { client: self.client.at(server), ..self.clone() }
    }

    /// Gets a path below `/v1-k3s/`.
    ///
    /// # Errors
    /// When there is no answer or it says no.
    pub async fn get(&self, path: &str) -> Result<Bytes, String> {
        self.client.send(Method::GET, &format!("/v1-k3s/{path}"), &[self.credentials()], Vec::new()).await
    }

    /// Sends a request below `/v1-k3s/` with more headers, and returns the answer, whatever it says.
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
        let headers: Vec<_> = headers.iter().cloned().chain([self.credentials()]).collect();
        self.client.answer(method, &format!("/v1-k3s/{path}"), &headers, body).await
    }

    fn credentials(&self) -> (&'static str, String) {
        ("authorization", format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.secret))))
    }
}

async fn get(client: &Client, path: &str) -> Result<Bytes, String> {
    client.send(Method::GET, path, &[], Vec::new()).await
}
