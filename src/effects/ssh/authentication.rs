//! Logging in: which keys are offered, in which order, and what became of each.

use std::{path::PathBuf, time::Duration};

use russh::{
    AgentAuthError, MethodSet, SendError, Signer,
    client::AuthResult,
    keys::{
        Certificate, HashAlg, PrivateKeyWithHashAlg, PublicKey,
        agent::{AgentIdentity, client::AgentClient},
        load_openssh_certificate,
    },
};
use tokio::{net::UnixStream, time::timeout};

use super::{
    connection::Stranger,
    error::{Attempt, Outcome},
    host_config::HostConfig,
    key_files::{KeyFile, with_suffix},
    user::SshUser,
};

/// Keys offered on one connection: sshd's `MaxAuthTries` is 6 by default, and counts the question which methods it takes.
const KEYS_PER_CONNECTION: usize = 5;
/// For one answer of the machine or of the agent. A token may have to be touched.
const ANSWER: Duration = Duration::from_secs(30);

/// What OpenSSH says when it heard enough; the last key counts as refused then.
const TOO_MANY: &str = "Too many authentication failures";

/// A key that may be offered.
struct Candidate {
    label: String,
    key: Key,
}

enum Key {
    File { path: PathBuf, file: KeyFile, certificate: Option<Certificate> },
    Agent(AgentIdentity),
}

impl Candidate {
    fn is_rsa(&self) -> bool {
        match &self.key {
            Key::Agent(identity) => identity.public_key().algorithm().is_rsa(),
            // Of an encrypted key of the old format nobody knows.
            Key::File { file, .. } => file.public().is_none_or(|public| public.algorithm().is_rsa()),
        }
    }
}

/// The keys of one login, in the order in which they are offered.
pub struct Login {
    candidates: std::vec::IntoIter<Candidate>,
    agent: Option<AgentClient<UnixStream>>,
    pub tried: Vec<Attempt>,
    /// What the machine would take, as it said last.
    pub methods: Vec<String>,
}

/// Where a login stands after one connection.
pub enum Progress {
    In,
    /// There are keys left, for a new connection.
    Again,
    /// The connection ended, for a reason that has nothing to do with keys.
    Cut,
    Refused,
}

impl Login {
    /// Collects the keys: those that were configured, then the agent's, then those in the usual places.
    pub async fn prepare(host: &HostConfig) -> Self {
        let mut tried = Vec::new();
        let (mut agent, mut held) = (None, Vec::new());
        if let Some(path) = host.agent.as_ref() {
            match ask_agent(path).await {
                Ok((client, identities)) => (agent, held) = (Some(client), identities),
                Err(words) => {
                    let key = format!("agent {}", path.display());
                    tried.push(Attempt { key, outcome: Outcome::NoAgent(words) });
                }
            }
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for path in &host.identities {
            let list = if host.identities_configured { &mut first } else { &mut last };
            match KeyFile::read(path) {
                Ok(file) => list.extend(of_file(host, path.clone(), file, &mut held)),
                Err(Outcome::Missing) if !host.identities_configured => {}
                // A public key in its place stands for what the agent holds.
                Err(outcome) => match of_agent(path, &mut held) {
                    Some(candidate) => list.push(candidate),
                    None => tried.push(Attempt { key: path.display().to_string(), outcome }),
                },
            }
        }
        if !host.identities_only {
            first.extend(held.into_iter().map(agent_candidate));
        }
        first.append(&mut last);
        Self { candidates: first.into_iter(), agent, tried, methods: Vec::new() }
    }

    /// Offers keys on a new connection until one is taken or the connection has heard enough.
    pub async fn offer(&mut self, user: &SshUser, host: &HostConfig, stranger: &mut Stranger) -> Progress {
        // Asked only for RSA keys: a machine that does not say costs a second of waiting.
        let rsa = self.candidates.as_slice().iter().any(Candidate::is_rsa);
        let hash = match rsa.then(|| timeout(ANSWER, stranger.handle.best_supported_rsa_hash())) {
            None => None,
            Some(asking) => match asking.await {
                Ok(Ok(hash)) => hash.flatten().or(Some(HashAlg::Sha256)),
                _ => return Progress::Cut,
            },
        };
        if self.candidates.as_slice().is_empty() {
            // Nothing to offer: still learn what the machine would take.
            let answer = timeout(ANSWER, stranger.handle.authenticate_none(&host.user)).await;
            return match answer {
                Ok(Ok(AuthResult::Success)) => Progress::In,
                Ok(Ok(AuthResult::Failure { remaining_methods, .. })) => {
                    self.learn(&remaining_methods);
                    Progress::Refused
                }
                _ => Progress::Cut,
            };
        }
        for _ in 0..KEYS_PER_CONNECTION {
            let Some(candidate) = self.candidates.next() else { return Progress::Refused };
            let label = candidate.label.clone();
            let answer = self.try_one(user, host, stranger, candidate, hash).await;
            let outcome = match answer {
                Ok(AuthResult::Success) => return Progress::In,
                Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                    self.learn(&remaining_methods);
                    if partial_success { Outcome::WantsMore } else { Outcome::Refused }
                }
                Err(outcome) => outcome,
            };
            let closed = stranger.handle.is_closed();
            if closed && !stranger.end().await.contains(TOO_MANY) {
                return Progress::Cut;
            }
            self.tried.push(Attempt { key: label, outcome });
            if closed {
                return if self.candidates.as_slice().is_empty() { Progress::Refused } else { Progress::Again };
            }
            if !self.methods.is_empty() && !self.methods.iter().any(|method| method == "publickey") {
                return Progress::Refused;
            }
        }
        if self.candidates.as_slice().is_empty() { Progress::Refused } else { Progress::Again }
    }

    fn learn(&mut self, methods: &MethodSet) {
        if !methods.is_empty() {
            self.methods = methods.iter().map(|method| <&str>::from(method).to_owned()).collect();
        }
    }

    async fn try_one(
        &mut self,
        user: &SshUser,
        host: &HostConfig,
        stranger: &mut Stranger,
        candidate: Candidate,
        hash: Option<HashAlg>,
    ) -> Result<AuthResult, Outcome> {
        let handle = &mut stranger.handle;
        let silent = || Outcome::Unreadable(format!("no answer within {} s", ANSWER.as_secs()));
        let gone = || Outcome::Unreadable("the connection ended".into());
        match candidate.key {
            Key::Agent(identity) => {
                let Some(agent) = self.agent.as_mut() else {
                    return Err(Outcome::AgentRefused("it is gone".into()));
                };
                let hash = hash.filter(|_| identity.public_key().algorithm().is_rsa());
                let offering = async {
                    match identity {
                        AgentIdentity::PublicKey { key, .. } => {
                            handle.authenticate_publickey_with(&host.user, key, hash, agent).await
                        }
                        AgentIdentity::Certificate { certificate, .. } => {
                            handle.authenticate_certificate_with(&host.user, certificate, hash, agent).await
                        }
                    }
                };
                let answer = timeout(ANSWER, offering).await.map_err(|_| silent())?;
                answer.map_err(|error| match error {
                    AgentAuthError::Send(_) => gone(),
                    AgentAuthError::Key(error) => Outcome::AgentRefused(error.to_string()),
                })
            }
            Key::File { path, file, certificate } => {
                let key = match file {
                    KeyFile::Open(key) => key,
                    KeyFile::Encrypted(public) => {
                        if let Some(public) = public.filter(|_| certificate.is_none()) {
                            let mut probe = Probe;
                            let probe = handle.authenticate_publickey_with(&host.user, public, hash, &mut probe);
                            match timeout(ANSWER, probe).await.map_err(|_| silent())? {
                                Err(Probed::Wanted) => {}
                                Err(Probed::Gone) => return Err(gone()),
                                Ok(refused) => return Ok(refused),
                            }
                        }
                        user.open_key(&path).await?
                    }
                };
                let offering = async {
                    if let Some(certificate) = certificate {
                        return handle.authenticate_openssh_cert(&host.user, key, certificate).await;
                    }
                    handle.authenticate_publickey(&host.user, PrivateKeyWithHashAlg::new(key, hash)).await
                };
                timeout(ANSWER, offering).await.map_err(|_| silent())?.map_err(|_| gone())
            }
        }
    }
}

/// Finds out whether a machine would take a key, without the private half.
struct Probe;

enum Probed {
    Wanted,
    Gone,
}

impl From<SendError> for Probed {
    fn from(_: SendError) -> Self {
        Self::Gone
    }
}

impl Signer for Probe {
    type Error = Probed;

    async fn auth_sign(&mut self, _: &AgentIdentity, _: Option<HashAlg>, _: Vec<u8>) -> Result<Vec<u8>, Probed> {
        Err(Probed::Wanted)
    }
}

async fn ask_agent(path: &std::path::Path) -> Result<(AgentClient<UnixStream>, Vec<AgentIdentity>), String> {
    let asking = async {
        let stream = UnixStream::connect(path).await.map_err(|error| error.to_string())?;
        let mut client = AgentClient::connect(stream);
        let identities = client.request_identities().await.map_err(|error| error.to_string())?;
        Ok((client, identities))
    };
    timeout(ANSWER, asking).await.unwrap_or_else(|_| Err("it does not answer".into()))
}

/// The offers a key file makes: its certificates first, and the agent signs if it holds the key.
fn of_file(host: &HostConfig, path: PathBuf, file: KeyFile, held: &mut Vec<AgentIdentity>) -> Vec<Candidate> {
    let public = file.public();
    let mut offers = Vec::new();
    let beside = with_suffix(&path, "-cert.pub");
    for certificate in host.certificates.iter().chain([&beside]) {
        let Ok(loaded) = load_openssh_certificate(certificate) else { continue };
        if public.as_ref().is_some_and(|public| public.key_data() == loaded.public_key()) {
            let key = Key::File { path: path.clone(), file: file.clone(), certificate: Some(loaded) };
            offers.push(Candidate { label: certificate.display().to_string(), key });
        }
    }
    let agents = public.as_ref().and_then(|public| take(held, public));
    let label = path.display().to_string();
    offers.push(match agents {
        Some(identity) if matches!(file, KeyFile::Encrypted(_)) => Candidate { label, key: Key::Agent(identity) },
        _ => Candidate { label, key: Key::File { path, file, certificate: None } },
    });
    offers
}

fn of_agent(path: &std::path::Path, held: &mut Vec<AgentIdentity>) -> Option<Candidate> {
    let public = super::key_files::beside(path).or_else(|| {
        let text = std::fs::read_to_string(path).ok()?;
        PublicKey::from_openssh(text.trim()).ok()
    })?;
    let identity = take(held, &public)?;
    Some(Candidate { label: path.display().to_string(), key: Key::Agent(identity) })
}

/// Takes the identity with this key out of what the agent holds.
fn take(held: &mut Vec<AgentIdentity>, public: &PublicKey) -> Option<AgentIdentity> {
    let is_it = |identity: &AgentIdentity| match identity {
        AgentIdentity::PublicKey { key, .. } => key.key_data() == public.key_data(),
        AgentIdentity::Certificate { .. } => false,
    };
    let at = held.iter().position(is_it)?;
    Some(held.remove(at))
}

fn agent_candidate(identity: AgentIdentity) -> Candidate {
    let comment = match &identity {
        AgentIdentity::PublicKey { comment, .. } | AgentIdentity::Certificate { comment, .. } => comment,
    };
    Candidate { label: format!("agent: {comment}"), key: Key::Agent(identity) }
}
