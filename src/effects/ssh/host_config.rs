//! What holds for one machine, after its place in `orchestrator.toml` and the user's configuration were read.

use std::{path::PathBuf, time::Duration};

use super::{
    Target,
    config::{Proxy, Settings, Strict, Tokens, in_home},
    error::SshError,
    user::Surroundings,
};

/// For an address to answer, unless the configuration says otherwise.
const CONNECT_SECONDS: u64 = 10;
/// Between questions whether the machine is still there, unless the configuration says otherwise.
const ALIVE_SECONDS: u64 = 5;
const ALIVE_COUNT: usize = 3;
/// Where keys are looked for when none is configured.
const USUAL_KEYS: [&str; 6] = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_xmss"];

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
    pub proxy: Proxy,
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

    /// Puts together what is said of `target`; `proxy` overrides how it is reached.
    ///
    /// # Errors
    /// When the configuration cannot be read or asks for what cannot be done.
    pub async fn resolve(surroundings: &Surroundings, target: &Target, proxy: Option<Proxy>) -> Result<Self, SshError> {
        let key = target.key.as_ref().map(|key| key.to_string_lossy().into_owned());
        let given = Settings {
            user: target.user.clone(),
            port: target.port,
            identity_files: key.into_iter().collect(),
            proxy,
            ..Settings::default()
        };
        let settings = Settings::read(surroundings, &target.address, given).await?;
        Self::new(surroundings, &target.address, settings).map_err(|because| SshError::Config {
            place: format!("the SSH configuration of {}", target.address),
            because,
        })
    }

    fn new(surroundings: &Surroundings, name: &str, settings: Settings) -> Result<Self, String> {
        let hostname = settings.hostname.unwrap_or_else(|| name.to_owned()).to_lowercase();
        let port = settings.port.unwrap_or(22);
        let user = settings.user.unwrap_or_else(|| surroundings.name.clone());
        let key_alias = settings.key_alias;
        let tokens =
            Tokens { surroundings, hostname: &hostname, name, port, user: &user, key_alias: key_alias.as_deref() };
        let path = |text: &String| Ok(in_home(&surroundings.home, &tokens.expand(text)?));
        let paths = |texts: &[String]| {
            let named = texts.iter().filter(|text| !text.eq_ignore_ascii_case("none"));
            named.map(path).collect::<Result<Vec<_>, String>>()
        };
        let ssh = surroundings.home.join(".ssh");
        let identities_configured = !settings.identity_files.is_empty();
        let identities = if identities_configured {
            paths(&settings.identity_files)?
        } else {
            USUAL_KEYS.map(|name| ssh.join(name)).to_vec()
        };
        let mut known_hosts = vec![surroundings.known_hosts.clone()];
        known_hosts.extend(match &settings.user_known_hosts {
            Some(files) => paths(files)?,
            None => vec![ssh.join("known_hosts"), ssh.join("known_hosts2")],
        });
        known_hosts.extend(match &settings.global_known_hosts {
            Some(files) => paths(files)?,
            None => vec!["/etc/ssh/ssh_known_hosts".into(), "/etc/ssh/ssh_known_hosts2".into()],
        });
        let proxy = match settings.proxy {
            None | Some(Proxy::Straight) => Proxy::Straight,
            Some(Proxy::Jump(jump)) => Proxy::Jump(tokens.expand_tokens(&jump)?),
            Some(Proxy::Command(command)) => Proxy::Command(tokens.expand_tokens(&command)?),
        };
        let agent = agent(surroundings, settings.identity_agent.as_deref(), &tokens)?;
        let certificates = paths(&settings.certificate_files)?;
        let seconds = |configured: Option<u64>, usual| {
            Duration::from_secs(configured.filter(|seconds| *seconds > 0).unwrap_or(usual))
        };
        Ok(Self {
            identities,
            identities_configured,
            identities_only: settings.identities_only.unwrap_or(false),
            certificates,
            agent,
            proxy,
            known_hosts,
            strict: settings.strict.unwrap_or_default(),
            connect_timeout: seconds(settings.connect_timeout, CONNECT_SECONDS),
            alive_interval: seconds(settings.alive_interval, ALIVE_SECONDS),
            alive_count: settings.alive_count.filter(|count| *count > 0).unwrap_or(ALIVE_COUNT),
            hostname,
            port,
            user,
            key_alias,
        })
    }
}

/// `IdentityAgent`: a socket, a variable that holds its path, or `none`.
fn agent(
    surroundings: &Surroundings,
    configured: Option<&str>,
    tokens: &Tokens<'_>,
) -> Result<Option<PathBuf>, String> {
    Ok(match configured {
        None | Some("SSH_AUTH_SOCK") => surroundings.agent.clone(),
        Some(none) if none.eq_ignore_ascii_case("none") => None,
        Some(text) => {
            let text = match text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                Some(name) => format!("${{{name}}}"),
                None => text.to_owned(),
            };
            Some(in_home(&surroundings.home, &tokens.expand(&text)?))
        }
    })
}

/// Takes `[user@]host[:port]` apart, with or without `ssh://`.
///
/// # Errors
/// Says what is wrong with it.
pub fn jump_target(text: &str) -> Result<Target, String> {
    let wrong = || format!("`{text}` is no `[user@]host[:port]`");
    let rest = text.trim().strip_prefix("ssh://").unwrap_or(text.trim()).trim_end_matches('/');
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user.to_owned()), rest));
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            (host, port.strip_prefix(':'))
        }
        None if rest.matches(':').count() == 1 => rest.split_once(':').map_or((rest, None), |(a, b)| (a, Some(b))),
        None => (rest, None),
    };
    let port = port.map(|port| port.parse().map_err(|_| wrong())).transpose()?;
    if host.is_empty() || user.as_ref().is_some_and(String::is_empty) {
        return Err(wrong());
    }
    Ok(Target { user, port, ..Target::new(text, host) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, user: Option<&str>, host: &str, port: Option<u16>) {
        let target = jump_target(text).unwrap();
        assert_eq!((target.user.as_deref(), target.address.as_str(), target.port), (user, host, port));
    }

    #[test]
    fn jumps_name_user_host_and_port() {
        case("bastion", None, "bastion", None);
        case("ann@bastion:2222", Some("ann"), "bastion", Some(2222));
        case("[fe80::1]:22", None, "fe80::1", Some(22));
        case("fe80::1", None, "fe80::1", None);
        case("ssh://ann@bastion:22/", Some("ann"), "bastion", Some(22));
        assert!(jump_target("ann@").is_err());
        assert!(jump_target("bastion:ssh").is_err());
    }
}
