//! What holds for one machine, after its place in `orchestrator.toml` and the user's configuration were read.

use std::{path::PathBuf, time::Duration};

use super::{Target, error::SshError, user::SshUser};

/// `StrictHostKeyChecking`, as far as it may be loosened here: a changed key is refused whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strict {
    /// Accepts no new key.
    Yes,
    #[default]
    Ask,
    #[allow(dead_code, reason = "the configuration is not read yet")]
    AcceptNew,
}

/// How to reach a machine and log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// Name or address to connect to.
    pub hostname: String,
    pub port: u16,
    pub user: String,
    /// Key files in the order in which they are offered.
    pub identities: Vec<PathBuf>,
    /// Somebody named them; otherwise they are the usual places.
    pub identities_configured: bool,
    /// Of the agent's keys, only those are offered that are among `identities`.
    pub identities_only: bool,
    pub certificates: Vec<PathBuf>,
    /// Socket of the agent.
    pub agent: Option<PathBuf>,
    /// Machines to go through, the nearest first: `[user@]host[:port]`.
    pub jumps: Vec<String>,
    /// A program that speaks to the machine on its standard streams.
    pub proxy_command: Option<String>,
    /// The name its key is known by, if it is not the host name.
    pub key_alias: Option<String>,
    pub known_hosts: Vec<PathBuf>,
    pub strict: Strict,
    /// For the address to answer.
    pub connect_timeout: Duration,
    pub alive_interval: Duration,
    pub alive_count: usize,
}

impl HostConfig {
    /// Returns `host:port`.
    pub fn address(&self) -> String {
        if self.hostname.contains(':') {
            format!("[{}]:{}", self.hostname, self.port)
        } else {
            format!("{}:{}", self.hostname, self.port)
        }
    }

    /// The name and port its host key is known by.
    pub fn known_as(&self) -> (&str, u16) {
        self.key_alias.as_deref().map_or((&self.hostname, self.port), |alias| (alias, 22))
    }

    /// Puts together what is said of `target`.
    ///
    /// # Errors
    /// When the configuration cannot be read or asks for what cannot be done.
    pub fn resolve(user: &SshUser, target: &Target) -> Result<Self, SshError> {
        let home = &user.surroundings.home;
        let ssh = home.join(".ssh");
        let usual = ["id_rsa", "id_ecdsa", "id_ed25519"].map(|name| ssh.join(name));
        let identities = target.key.as_ref().map_or(usual.to_vec(), |key| vec![in_home(home, key)]);
        Ok(Self {
            hostname: target.address.clone(),
            port: target.port.unwrap_or(22),
            user: target.user.clone().unwrap_or_else(|| user.surroundings.name.clone()),
            identities,
            identities_configured: target.key.is_some(),
            identities_only: false,
            certificates: Vec::new(),
            agent: user.surroundings.agent.clone(),
            jumps: Vec::new(),
            proxy_command: None,
            key_alias: None,
            known_hosts: vec![user.surroundings.known_hosts.clone(), ssh.join("known_hosts")],
            strict: Strict::default(),
            connect_timeout: Duration::from_secs(10),
            alive_interval: Duration::from_secs(5),
            alive_count: 3,
        })
    }
}

fn in_home(home: &std::path::Path, path: &std::path::Path) -> PathBuf {
    path.strip_prefix("~").map_or_else(|_| path.to_owned(), |rest| home.join(rest))
}
