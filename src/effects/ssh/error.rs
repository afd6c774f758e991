//! Everything that can go wrong between this computer and a machine.

use std::{fmt, path::PathBuf};

/// Why a machine could not be used. The caller decides by it what may be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshError {
    /// Nothing answers at the address.
    Unreachable { address: String, why: Unreachable },
    /// Something answers and ends the connection before both sides know each other.
    HandshakeCut { address: String, because: String },
    /// The user's SSH configuration asks for what cannot be done. `place` is file and line.
    Config { place: String, because: String },
    /// The host key is in none of the known_hosts files.
    HostKeyUnknown { host: String, algorithm: String, fingerprint: String, why: Unknown },
    /// The machine shows another key than the one that is known.
    HostKeyChanged { host: String, offered: String, known: String, file: PathBuf, line: usize },
    /// The key, or the authority that signed it, is marked `@revoked`.
    HostKeyRevoked { host: String, fingerprint: String, file: PathBuf, line: usize },
    /// A known_hosts file cannot be read or written.
    KnownHosts { file: PathBuf, because: String },
    /// No key was accepted. `methods` is what the machine would take instead, as it said.
    AuthenticationRefused { user: String, tried: Vec<Attempt>, methods: Vec<String> },
    /// The login works; becoming root does not.
    NoPermission { user: String, why: NoPermission },
    /// The connection ended while it was used.
    Lost { because: String },
    /// The machine opens no way to `to`.
    ForwardingRefused { to: String, because: String },
    /// The login shell of the user did not run the script; `output` is what it said instead.
    NotStarted { user: String, output: String },
    /// A transfer did not arrive as it was sent, or could not be put in place.
    Transfer { path: String, because: String },
    /// A script took longer than any may.
    TimedOut { what: String, seconds: u64 },
}

/// Why nothing answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    Refused,
    /// After so many seconds.
    TimedOut(u64),
    NoRoute,
    /// The name has no address; the resolver's words.
    NoSuchName(String),
    Other(String),
}

/// Why a host key is not trusted although nothing speaks against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// There is no terminal to ask on.
    NoTerminal,
    /// `StrictHostKeyChecking yes`.
    Strict,
    /// The person said no.
    Declined,
    /// It is a certificate that does not hold, for this reason.
    Certificate(String),
}

/// A key that was considered, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Path of the file, or the agent's comment.
    pub key: String,
    pub outcome: Outcome,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The machine does not take it.
    Refused,
    /// The machine takes it, and wants more than a key.
    WantsMore,
    Missing,
    Unreadable(String),
    /// Encrypted, and nobody there to ask for the passphrase.
    NoTerminal,
    WrongPassphrase,
    /// The agent did not sign; its words.
    AgentRefused(String),
    /// The agent cannot be asked; its words.
    NoAgent(String),
}

/// Why a user cannot become root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPermission {
    /// sudo wants a password and none was given.
    PasswordNeeded,
    WrongPassword,
    /// sudo's words.
    NotAllowed(String),
    NoSudo,
}

impl SshError {
    /// Whether it may pass by itself: only what a machine does that boots, is loaded, or lost its network.
    pub fn heals(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::HandshakeCut { .. } | Self::Lost { .. })
    }
}

impl fmt::Display for SshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { address, why } => write!(f, "{address}: {why}"),
            Self::HandshakeCut { address, because } => write!(f, "{address} ended the handshake: {because}"),
            Self::Config { place, because } => write!(f, "{place}: {because}"),
            Self::HostKeyUnknown { host, algorithm, fingerprint, why } => {
                write!(f, "the {algorithm} host key of {host} is not known ({fingerprint}): {why}")
            }
            Self::HostKeyChanged { host, offered, known, file, line } => {
                write!(f, "the host key of {host} changed: it shows {offered}, {}:{line} has {known}", file.display())
            }
            Self::HostKeyRevoked { host, fingerprint, file, line } => {
                write!(f, "the host key of {host} ({fingerprint}) is revoked by {}:{line}", file.display())
            }
            Self::KnownHosts { file, because } => write!(f, "cannot use {}: {because}", file.display()),
            Self::AuthenticationRefused { user, tried, methods } => {
                write!(f, "no key lets `{user}` in")?;
                let tried: Vec<_> = tried.iter().map(ToString::to_string).collect();
                let tried = if tried.is_empty() { "there is none to try".into() } else { tried.join(", ") };
                write!(f, ": {tried}")?;
                if methods.is_empty() { Ok(()) } else { write!(f, "; the machine takes {}", methods.join(", ")) }
            }
            Self::NoPermission { user, why } => write!(f, "`{user}` cannot become root: {why}"),
            Self::Lost { because } => write!(f, "the connection was lost: {because}"),
            Self::ForwardingRefused { to, because } => write!(f, "no way to {to}: {because}"),
            Self::NotStarted { user, output } if output.is_empty() => {
                write!(f, "the login shell of `{user}` ran nothing")
            }
            Self::NotStarted { user, output } => write!(f, "the login shell of `{user}` ran nothing: {output}"),
            Self::Transfer { path, because } => write!(f, "cannot put {path}: {because}"),
            Self::TimedOut { what, seconds } => write!(f, "{what} did not end within {seconds} s"),
        }
    }
}

impl std::error::Error for SshError {}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut(seconds) => write!(f, "no answer within {seconds} s"),
            Self::NoRoute => f.write_str("no route to it"),
            Self::NoSuchName(words) => write!(f, "the name has no address ({words})"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTerminal => f.write_str("there is no terminal to ask on"),
            Self::Strict => f.write_str("`StrictHostKeyChecking yes` accepts no new one"),
            Self::Declined => f.write_str("it was not confirmed"),
            Self::Certificate(why) => write!(f, "its certificate does not hold, {why}"),
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.key, self.outcome)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::WantsMore => f.write_str("accepted, more is wanted"),
            Self::Missing => f.write_str("no such file"),
            Self::Unreadable(why) | Self::NoAgent(why) => f.write_str(why),
            Self::NoTerminal => f.write_str("encrypted, and no terminal to ask for its passphrase"),
            Self::WrongPassphrase => f.write_str("wrong passphrase"),
            Self::AgentRefused(why) => write!(f, "the agent did not sign: {why}"),
        }
    }
}

impl fmt::Display for NoPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PasswordNeeded => f.write_str("sudo wants a password"),
            Self::WrongPassword => f.write_str("sudo does not take the password"),
            Self::NotAllowed(words) => f.write_str(words),
            Self::NoSudo => f.write_str("there is no sudo on the machine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_by_itself_heals() {
        let address = || "10.0.0.4:22".to_owned();
        assert!(SshError::Unreachable { address: address(), why: Unreachable::Refused }.heals());
        assert!(SshError::HandshakeCut { address: address(), because: "reset".into() }.heals());
        assert!(SshError::Lost { because: "no answer to keepalives".into() }.heals());
        let refused = SshError::AuthenticationRefused { user: "u".into(), tried: vec![], methods: vec![] };
        assert!(!refused.heals());
        assert!(!SshError::NoPermission { user: "u".into(), why: NoPermission::WrongPassword }.heals());
    }

    #[test]
    fn a_refused_login_says_what_was_tried_in_order() {
        let attempt = |key: &str, outcome| Attempt { key: key.into(), outcome };
        let error = SshError::AuthenticationRefused {
            user: "ubuntu".into(),
            tried: vec![attempt("/k", Outcome::Missing), attempt("/l", Outcome::Refused)],
            methods: vec!["password".into()],
        };
        assert_eq!(
            error.to_string(),
            "no key lets `ubuntu` in: /k (no such file), /l (refused); the machine takes password"
        );
    }
}
