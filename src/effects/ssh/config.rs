//! The user's SSH configuration: ssh_config(5), as far as it says how a machine is reached.
//!
//! The first value of a setting counts, except for key files, which add up. Settings that do not matter here are read
//! over; what asks for the impossible is refused with its place.

mod criteria;
mod reader;
mod token;
mod words;

use std::path::PathBuf;

use super::{error::SshError, user::Surroundings};
pub use token::Tokens;

/// `StrictHostKeyChecking`, as far as it may be loosened here: a changed key is refused whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strict {
    /// Accepts no new key.
    Yes,
    #[default]
    Ask,
    /// Accepts new keys without asking. `no` is this too.
    AcceptNew,
}

/// How a machine is reached if not straight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    Straight,
    /// `[user@]host[:port]`, several with commas between them, the nearest first.
    Jump(String),
    /// A command line.
    Command(String),
}

/// What the configuration says of one machine, as written: tokens and `~` are still in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `%h` is already the name that was asked for.
    pub hostname: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_files: Vec<String>,
    pub certificate_files: Vec<String>,
    pub identities_only: Option<bool>,
    pub identity_agent: Option<String>,
    pub proxy: Option<Proxy>,
    pub key_alias: Option<String>,
    pub user_known_hosts: Option<Vec<String>>,
    pub global_known_hosts: Option<Vec<String>>,
    pub strict: Option<Strict>,
    /// Seconds.
    pub connect_timeout: Option<u64>,
    /// Seconds.
    pub alive_interval: Option<u64>,
    pub alive_count: Option<usize>,
}

impl Settings {
    /// Reads what the configuration files say of `name`. What is set in `given` counts before anything they say.
    ///
    /// # Errors
    /// When a file cannot be read, or says something it must not.
    pub async fn read(surroundings: &Surroundings, name: &str, given: Self) -> Result<Self, SshError> {
        let mut reader = reader::Reader::new(surroundings, name, given);
        for file in &surroundings.config {
            reader.file(file, true).await?;
        }
        if reader.wants_final_pass {
            reader.begin_final_pass();
            for file in &surroundings.config {
                reader.file(file, true).await?;
            }
        }
        Ok(reader.settings)
    }
}

/// Returns a path with a leading `~` replaced.
pub fn in_home(home: &std::path::Path, path: &str) -> PathBuf {
    match path.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => path.into(),
    }
}
