//! Why a file does not come.

use std::{error::Error, fmt, io};

use http::StatusCode;

/// Why a file does not come.
#[derive(Debug)]
pub enum Trouble {
    /// Nobody answers, or an answer ends before its end.
    Connection(String),
    /// What the server says instead of sending it.
    Status(StatusCode),
    /// The server sent another piece than was asked for.
    WrongPiece,
    /// It came whole and is not what the release says it is.
    Checksum { wanted: String, actual: String },
    /// This computer's cache cannot take it.
    Disk(io::Error),
}

impl Trouble {
    /// Whether another attempt may do better.
    pub fn passes(&self) -> bool {
        match self {
            Self::Connection(_) | Self::WrongPiece => true,
            Self::Status(status) => {
                status.is_server_error()
                    || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(status)
            }
            Self::Checksum { .. } | Self::Disk(_) => false,
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        Self::Connection(cause(&error))
    }
}

/// Returns what is at the bottom of an error: what the system, the resolver or TLS said.
pub fn cause(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(below) = deepest.source() {
        deepest = below;
    }
    deepest.to_string()
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(why) => f.write_str(why),
            Self::Status(status) => write!(f, "the server answers {status}"),
            Self::WrongPiece => f.write_str("the server sent another piece of the file than was asked for"),
            Self::Checksum { wanted, actual } => write!(f, "its SHA-256 is {actual}, the release says {wanted}"),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let status = |code| Trouble::Status(StatusCode::from_u16(code).unwrap()).passes();
        assert!(status(503) && status(500) && status(429) && status(408));
        assert!(!status(404) && !status(403) && !status(416));
        assert!(Trouble::Connection("refused".into()).passes());
        assert!(!Trouble::Checksum { wanted: "a".into(), actual: "b".into() }.passes());
    }
}
