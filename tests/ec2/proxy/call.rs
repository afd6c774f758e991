use std::{collections::BTreeMap, time::Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};

/// A call that came to the API.
#[derive(Debug, Clone)]
pub struct Call {
    pub action: String,
    /// Of the Query API; other protocols have none.
    pub parameters: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at: Instant,
}

impl Call {
    pub fn read(head: &Parts, body: &Bytes) -> Self {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut parameters: BTreeMap<String, String> = match header("content-type").contains("urlencoded") {
            true => form_urlencoded::parse(body).into_owned().collect(),
            false => BTreeMap::new(),
        };
        let target = || header("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
        Self {
            action: parameters.remove("Action").unwrap_or_else(target),
            parameters,
            headers: head.headers.clone(),
            body: body.clone(),
            at: Instant::now(),
        }
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The values of `name.1`, `name.2`..
    pub fn list(&self, name: &str) -> Vec<&str> {
        let prefix = format!("{name}.");
        self.parameters.iter().filter(|(key, _)| key.starts_with(&prefix)).map(|(_, value)| value.as_str()).collect()
    }

    /// The values that a list is narrowed down to by the filter `name`; `None` without that filter.
    pub fn filter(&self, name: &str) -> Option<Vec<&str>> {
        let mut named = self.parameters.iter().filter(|(key, value)| key.starts_with("Filter.") && *value == name);
        let number = named.find_map(|(key, _)| key.strip_suffix(".Name"))?;
        Some(self.list(&format!("{number}.Value")))
    }

    /// The security group of the instances that it makes.
    pub fn group(&self) -> Option<&str> {
        self.parameter("NetworkInterface.1.SecurityGroupId.1").or_else(|| self.parameter("SecurityGroupId.1"))
    }

    /// What the instances that it makes are told at their first boot.
    pub fn user_data(&self) -> Option<String> {
        let bytes = BASE64_STANDARD.decode(self.parameter("UserData")?).unwrap();
        Some(String::from_utf8(bytes).unwrap())
    }

    /// Everything that was said, as text.
    pub fn said(&self) -> String {
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
        let parameters = self.parameters.iter().map(|(name, value)| format!("{name}={value}\n"));
        let body = String::from_utf8_lossy(&self.body);
        format!("{}\n{}\n{body}\n", headers.collect::<String>(), parameters.collect::<String>())
    }

    /// The headers as moto gets them: all that were signed, `Host` among them.
    pub fn forwarded(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        for name in [header::CONTENT_LENGTH, header::CONNECTION, header::TRANSFER_ENCODING] {
            headers.remove(name);
        }
        headers
    }
}
