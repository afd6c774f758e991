//! Query parameters.

use crate::rehearsal::object::{status::Status, validate::Strictness};

/// The parameters after the question mark.
#[derive(Debug, Default, Clone)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query; there are no wrong ones.
    pub fn parse(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// Returns a parameter's value, if it is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Returns whether a parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Returns whether a boolean parameter is set.
    pub fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|(key, value)| key == name && !matches!(value.as_str(), "0" | "f" | "F" | "false" | "False"))
    }

    /// Returns a numeric parameter.
    ///
    /// # Errors
    /// 400 when it is no number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Status> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number =
            text.parse().map_err(|_| Status::bad_request(format!("invalid value {text:?} for {name}: not a number")));
        number.map(Some)
    }

    /// Returns whether the request must change nothing.
    ///
    /// # Errors
    /// 400 for anything but `All`.
    pub fn dry_run(&self) -> Result<bool, Status> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => {
                Err(Status::bad_request(format!("dryRun: Unsupported value: {other:?}: supported values: \"All\"")))
            }
        }
    }

    /// Returns what to do about unknown fields; the server's default is to warn.
    ///
    /// # Errors
    /// 400 for an unknown level.
    pub fn strictness(&self) -> Result<Strictness, Status> {
        match self.get("fieldValidation") {
            Some("Strict") => Ok(Strictness::Strict),
            None | Some("Warn") => Ok(Strictness::Warn),
            Some("Ignore") => Ok(Strictness::Ignore),
            Some(other) => Err(Status::bad_request(format!(
                "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }
}
