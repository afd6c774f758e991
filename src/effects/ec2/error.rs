//! What goes wrong between this computer and Amazon.

use std::fmt;

use serde::Deserialize;

use super::replies::from_xml;

/// A call that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// Such as `ec2`.
    pub service: &'static str,
    /// Such as `RunInstances`.
    pub action: &'static str,
    pub why: Why,
    /// How far this computer's clock is ahead of Amazon's, in seconds, where an answer said what time it is.
    pub clock_ahead: Option<i64>,
}

/// Why a call did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It was answered, with an error.
    Refused { code: String, message: String, request_id: Option<String>, status: u16 },
    /// There is nothing to sign with.
    NoCredentials(String),
    /// No answer came.
    NoAnswer(String),
    /// The answer is none of this service.
    Unreadable(String),
}

/// Codes of calls that came too fast (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html).
const TOO_FAST: [&str; 6] = [
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "RequestThrottled",
    "EC2ThrottledException",
    "TooManyRequestsException",
];
const EXPIRED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired"];

impl AwsError {
    pub fn new(service: &'static str, action: &'static str, why: Why) -> Self {
        Self { service, action, why, clock_ahead: None }
    }

    /// Reads the answer to a call that failed.
    pub fn read(service: &'static str, action: &'static str, status: u16, header_id: Option<&str>, text: &str) -> Self {
        let (code, message, id) = xml(text).or_else(|| json(text)).unwrap_or_else(|| {
            let words = text.trim().chars().take(300).collect();
            (format!("HTTP {status}"), words, None)
        });
        let request_id = id.or_else(|| header_id.map(str::to_owned));
        Self::new(service, action, Why::Refused { code, message, request_id, status })
    }

    /// Returns Amazon's code; empty where none was said.
    pub fn code(&self) -> &str {
        match &self.why {
            Why::Refused { code, .. } => code,
            _ => "",
        }
    }

    pub fn is(&self, code: &str) -> bool {
        self.code() == code
    }

    /// Whether what it is about is not there, or not there yet.
    pub fn is_not_found(&self) -> bool {
        self.code().ends_with(".NotFound")
    }

    /// Whether the same call may do better a moment later.
    pub fn passes(&self) -> bool {
        match &self.why {
            Why::Refused { code, status, .. } => {
                TOO_FAST.contains(&code.as_str()) || *status >= 500 && !code.starts_with("Insufficient")
            }
            Why::NoAnswer(_) => true,
            Why::NoCredentials(_) | Why::Unreadable(_) => false,
        }
    }

    /// Whether credentials ran out, so that fresh ones may do better.
    pub fn is_expired(&self) -> bool {
        EXPIRED.contains(&self.code())
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Refused { code, message, request_id, .. } => {
                write!(f, "{code}: {message}")?;
                request_id.as_ref().map_or(Ok(()), |id| write!(f, " (request {id})"))
            }
            Why::NoCredentials(why) | Why::NoAnswer(why) | Why::Unreadable(why) => f.write_str(why),
        }
    }
}

/// Both forms that XML errors have: EC2's own, and that of the other Query services.
#[derive(Debug, Deserialize)]
struct Document {
    #[serde(rename = "Errors")]
    errors: Option<Errors>,
    #[serde(rename = "Error")]
    error: Option<Described>,
    #[serde(rename = "RequestID", alias = "RequestId")]
    request_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Errors {
    #[serde(rename = "Error")]
    error: Described,
}

#[derive(Debug, Deserialize)]
struct Described {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message", default)]
    message: String,
}

fn xml(text: &str) -> Option<(String, String, Option<String>)> {
    let document: Document = from_xml(text).ok()?;
    let error = document.errors.map(|errors| errors.error).or(document.error)?;
    let id = document.request_id.filter(|id| !id.is_empty() && id != "request-id");
    Some((error.code, error.message, id))
}

fn json(text: &str) -> Option<(String, String, Option<String>)> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let code = document["__type"].as_str()?;
    let code = code.rsplit('#').next().unwrap_or(code);
    let message = document["message"].as_str().or_else(|| document["Message"].as_str()).unwrap_or_default();
    Some((code.into(), message.into(), None))
}

/// Instances that a batch could not find, by the words of the error.
pub fn ids_in(message: &str) -> Vec<String> {
    let words = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("i-") && word.len() > 8).map(str::to_owned).collect()
}
