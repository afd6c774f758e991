//! Sends signed requests, again where that may help, and never for longer than its deadline.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep, timeout};

use super::{
    account::Account,
    error::{AwsError, Why},
};
use crate::failure::Failure;

/// How long a call may take and how it is repeated.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// One attempt.
    pub attempt: Duration,
    /// All of them.
    pub whole: Duration,
    /// The longest pause after the first attempt; it doubles from then on.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [attempt, whole, pause] = [30, 180, 1].map(Duration::from_secs);
        Self { attempt, whole, pause }
    }
}

/// So many attempts that nobody answers at all are enough.
const SILENT: u32 = 5;
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(20);

/// A call to a service.
pub struct Call<'a> {
    /// As requests are signed for: `ec2`, `ssm`, `sts`.
    pub service: &'static str,
    pub action: &'static str,
    pub headers: &'a [(&'static str, &'a str)],
    pub body: String,
}

/// What calls are made with.
pub struct Caller {
    pub account: Account,
    http: reqwest::Client,
    patience: Patience,
}

impl Caller {
    pub fn new(account: Account, patience: Patience) -> Self {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("orchestrator/", env!("CARGO_PKG_VERSION")))
            .build()
            .unwrap_or_default();
        Self { account, http, patience }
    }

    /// The same in another region.
    pub fn elsewhere(&self, region: &str) -> Self {
        Self { account: self.account.elsewhere(region), http: self.http.clone(), patience: self.patience }
    }

    /// Makes a call that is safe to repeat, and returns the text of its answer.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn call(&self, call: &Call<'_>) -> Result<String, AwsError> {
        let end = Instant::now() + self.patience.whole;
        let mut pause = self.patience.pause;
        let (mut fresh, mut silent) = (false, 0);
        loop {
            let error = match self.attempt(call, fresh).await {
                Ok(text) => return Ok(text),
                Err(error) => error,
            };
            let renews = error.is_expired() && !fresh;
            let wait = jitter(pause);
            silent += u32::from(matches!(error.why, Why::NoAnswer(_)));
            if !(error.passes() || renews) || silent == SILENT || Instant::now() + wait > end {
                return Err(error);
            }
            fresh = renews;
            sleep(wait).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    async fn attempt(&self, call: &Call<'_>, fresh: bool) -> Result<String, AwsError> {
        let error = |why| AwsError::new(call.service, call.action, why);
        let region = self.account.region().await.map_err(|failure: Failure| error(Why::NoCredentials(failure.what)))?;
        let credentials = self.account.credentials(call.service, call.action, fresh).await?;
        let url = self.account.endpoint(call.service, &region).await;
        let headers = signed(call, &url, &region, credentials).map_err(|why| error(Why::Unreadable(why)))?;
        let send = async {
            let answer = self.http.post(&url).headers(headers).body(call.body.clone()).send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok((status, headers, answer.text().await?))
        };
        let sent = timeout(self.patience.attempt, send).await;
        let (status, headers, text) = match sent {
            Ok(Ok(answer)) => answer,
            Ok(Err(trouble)) => return Err(error(Why::NoAnswer(format!("{url}: {}", said(&trouble))))),
            Err(_) => {
                let seconds = self.patience.attempt.as_secs();
                return Err(error(Why::NoAnswer(format!("{url}: no answer within {seconds} s"))));
            }
        };
        if status.is_success() {
            return Ok(text);
        }
        let id = headers.get("x-amzn-requestid").and_then(|id| id.to_str().ok());
        let refused = AwsError::read(call.service, call.action, status.as_u16(), id, &text);
        Err(AwsError { clock_ahead: clock_ahead(&headers), ..refused })
    }
}

/// Returns what is at the bottom of an error: what the system, the resolver or TLS said.
fn said(trouble: &reqwest::Error) -> String {
    let mut deepest: &dyn Error = trouble;
    while let Some(below) = deepest.source() {
        deepest = below;
    }
    deepest.to_string()
}

/// Returns the headers of a request with its signature (Signature Version 4).
fn signed(call: &Call<'_>, url: &str, region: &str, credentials: Credentials) -> Result<HeaderMap, String> {
    let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let mut own = call.headers.to_vec();
    if own.iter().all(|(name, _)| *name != form.0) {
        own.push(form);
    }
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(call.service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let request = SignableRequest::new("POST", url, own.iter().copied(), SignableBody::Bytes(call.body.as_bytes()));
    let request = request.map_err(|error| error.to_string())?;
    let (instructions, _) = sign(request, &parameters).map_err(|error| error.to_string())?.into_parts();
    let mut headers = HeaderMap::new();
    for (name, value) in own.iter().copied().chain(instructions.headers()) {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        let mut value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
        value.set_sensitive(name != CONTENT_TYPE);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// How far this computer's clock is ahead of the one that answered, in seconds.
fn clock_ahead(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(jiff::Timestamp::now().as_second() - theirs.as_second())
}

/// A random part of `longest`, so that those who were refused together do not come back together.
fn jitter(longest: Duration) -> Duration {
    let mut random = [0; 2];
    let _ = getrandom::fill(&mut random);
    longest.mul_f64(0.5 + f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX) / 2.0)
}
