//! The kinds of text a value can be: one table for the schema, the checks and the messages.

mod host;
mod image;
mod name;
mod release;
mod request;

pub use host::{AMI, AWS_REGION, CIDR, HOST, INSTANCE_TYPE, NETWORK, SUBNET};
pub use image::{IMAGE_NAME, IMAGE_TAG, REGISTRY};
pub use name::{DNS_LABEL, DNS_SUBDOMAIN, ENVIRONMENT_VARIABLE, SECRET_KEY};
pub use release::K3S_VERSION;
pub use request::{HTTP_REQUEST, HttpRequest, JSON_POINTER, PLACEHOLDER};

use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use super::{duration::DURATION, size::SIZE};

/// A kind of text: how the schema describes it and how a value is checked.
pub struct Format {
    /// `format` in the JSON Schema.
    pub name: &'static str,
    /// `pattern` in the JSON Schema; accepts whatever `check` accepts.
    pub pattern: &'static str,
    pub example: &'static str,
    /// Says what is wrong with a value, if anything.
    pub check: fn(&str) -> Result<(), Complaint>,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Completes a sentence that begins with the value.
    pub message: String,
    pub hint: Option<String>,
}

impl Complaint {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Every format that the schema names.
pub const FORMATS: &[&Format] = &[
    &AMI,
    &AWS_REGION,
    &CIDR,
    &DNS_LABEL,
    &DNS_SUBDOMAIN,
    &DURATION,
    &ENVIRONMENT_VARIABLE,
    &HOST,
    &HTTP_REQUEST,
    &IMAGE_NAME,
    &IMAGE_TAG,
    &INSTANCE_TYPE,
    &JSON_POINTER,
    &K3S_VERSION,
    &NETWORK,
    &PLACEHOLDER,
    &REGISTRY,
    &SECRET_KEY,
    &SIZE,
    &SUBNET,
];

impl Format {
    /// Returns the format that a schema calls `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().copied().find(|format| format.name == name)
    }

    /// Returns the schema of a value of this format.
    pub fn schema(&self) -> Schema {
        json_schema!({ "type": "string", "format": self.name, "pattern": self.pattern, "examples": [self.example] })
    }

    /// Returns the schema of a list of such values.
    pub fn list(&self) -> Schema {
        json_schema!({ "type": "array", "items": self.schema() })
    }

    /// Returns the schema of a table's keys.
    pub fn keys(&self) -> Value {
        json!({ "format": self.name, "pattern": self.pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_examples_are_valid() {
        for format in FORMATS {
            assert_eq!(Format::named(format.name).map(|found| found.pattern), Some(format.pattern));
            assert_eq!((format.check)(format.example), Ok(()), "{}", format.name);
        }
    }

    #[test]
    fn patterns_accept_what_the_checks_accept() {
        let words = [
            "a",
            "-a",
            "a-b",
            "A",
            "a.b",
            "a_b",
            "1",
            "é",
            "",
            " ",
            "2GiB",
            "20 GB",
            "0GiB",
            "5m",
            "1h 30m",
            "0s",
            "v1.33.5+k3s1",
            "v1.33.5",
            "v1.33.5-rc1+k3s1",
            "docker.io/you",
            "localhost:5000",
            "https://x",
            "team/api",
            "api:1",
            "v1_0",
            "eu-west-3",
            "us-gov-west-1",
            "t3.medium",
            "u-6tb1.metal",
            "10.0.0.4",
            "::1",
            "fd00::1",
            "example.com",
            "192.168.56.0/24",
            "PGUSER",
            "1A",
            "a/b",
        ];
        for format in FORMATS {
            let schema = jsonschema::validator_for(format.schema().as_value()).expect("a valid schema");
            for word in words {
                let accepted = (format.check)(word).is_ok();
                assert!(!accepted || schema.is_valid(&json!(word)), "{} refuses {word:?}", format.name);
            }
        }
    }
}
