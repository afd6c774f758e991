//! What people are told, and what they can do about it.

use super::{
    Ssh,
    error::{NoPermission, Outcome, SshError, Unknown},
};
use crate::failure::{
    CONNECTION_LOST, Entry, FORWARDING_REFUSED, Failure, HANDSHAKE_CUT, HOST_KEY_CHANGED, HOST_KEY_REVOKED,
    HOST_KEY_UNKNOWN, LOGIN_REFUSED, MACHINE_NOT_ANSWERING, NOT_ROOT, SCRIPT_NOT_RUN, SSH_SETTINGS, TRANSFER_FAILED,
};

impl Ssh {
    /// Turns an error of this machine into a failure that names it, with a command to run next.
    pub fn failure(&self, error: &SshError) -> Failure {
        let (entry, what) = kind(error);
        let what = format!("machine `{}` {what}", self.target.name);
        Failure::new(entry, what).because(error).hint(self.hint(error))
    }

    fn hint(&self, error: &SshError) -> String {
        match error {
            SshError::Unreachable { .. } | SshError::HandshakeCut { .. } | SshError::Lost { .. } => {
                format!("{} -v true", self.ssh())
            }
            SshError::HostKeyUnknown { .. } | SshError::HostKeyChanged { .. } if self.user.surroundings.are_made => {
                format!(
                    "somebody may be listening in: find out first what answers at {}; if the machine was made anew by other \
                 hands: ./orchestrator destroy, then create",
                    self.target.address
                )
            }
            SshError::HostKeyUnknown { why: Unknown::Certificate(_), .. } | SshError::HostKeyRevoked { .. } => {
                "do not connect; ask whoever runs the machine for a new key".into()
            }
            SshError::HostKeyUnknown { fingerprint, .. } => format!(
                "compare it with what the machine's console says (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); \
                 if it is {fingerprint}, run the command again in a terminal and answer yes"
            ),
            SshError::HostKeyChanged { host, file, .. } => format!(
                "somebody may be listening in: find out first why it changed; if the machine was made anew: ssh-keygen \
                 -R '{host}' -f {}",
                file.display()
            ),
            SshError::AuthenticationRefused { tried, .. } => {
                let locked = tried
                    .iter()
                    .find(|attempt| matches!(attempt.outcome, Outcome::NoTerminal | Outcome::WrongPassphrase));
                match locked {
                    Some(attempt) => format!("ssh-add {}", attempt.key),
                    None => format!("ssh-copy-id{}; passwords are not used to log in", self.address()),
                }
            }
            SshError::NoPermission { user, why } => match why {
                NoPermission::PasswordNeeded => {
                    "run it in a terminal, or with the variable ORCHESTRATOR_SUDO_PASSWORD set".into()
                }
                NoPermission::WrongPassword => format!("{} -t sudo -v", self.ssh()),
                NoPermission::NotAllowed(_) | NoPermission::NoSudo => {
                    format!("on the machine, as root: apt-get install sudo && usermod -aG sudo {user}")
                }
            },
            SshError::Config { .. } => format!("ssh -G {}", self.target.address),
            SshError::KnownHosts { file, .. } => format!("ls -l {}", file.display()),
            SshError::ForwardingRefused { .. } => format!("{} sudo sshd -T | grep -i forwarding", self.ssh()),
            SshError::NotStarted { .. } => format!("{} true", self.ssh()),
            SshError::Transfer { .. } => format!("{} df -h", self.ssh()),
            SshError::TimedOut { .. } => format!("{} uptime", self.ssh()),
        }
    }

    /// The command that does what failed, for people.
    fn ssh(&self) -> String {
        let key = self.target.key.as_ref().map(|key| format!(" -i {}", key.display())).unwrap_or_default();
        format!("ssh{key}{}", self.address())
    }

    fn address(&self) -> String {
        let port = self.target.port.map(|port| format!(" -p {port}")).unwrap_or_default();
        let user = self.target.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        format!("{port} {user}{}", self.target.address)
    }
}

fn kind(error: &SshError) -> (&'static Entry, &'static str) {
    match error {
        SshError::Unreachable { .. } => (&MACHINE_NOT_ANSWERING, "does not answer"),
        SshError::HandshakeCut { .. } => (&HANDSHAKE_CUT, "ends the SSH handshake"),
        SshError::HostKeyUnknown { .. } => (&HOST_KEY_UNKNOWN, "has a host key that nobody confirmed"),
        SshError::HostKeyChanged { .. } => (&HOST_KEY_CHANGED, "has another host key than before"),
        SshError::HostKeyRevoked { .. } => (&HOST_KEY_REVOKED, "has a revoked host key"),
        SshError::AuthenticationRefused { .. } => (&LOGIN_REFUSED, "lets nobody in"),
        SshError::NoPermission { .. } => (&NOT_ROOT, "gives no root"),
        SshError::Lost { .. } => (&CONNECTION_LOST, "was lost"),
        SshError::ForwardingRefused { .. } => (&FORWARDING_REFUSED, "forwards nothing"),
        SshError::Config { .. } | SshError::KnownHosts { .. } => (&SSH_SETTINGS, "cannot be reached as configured"),
        SshError::NotStarted { .. } | SshError::TimedOut { .. } => (&SCRIPT_NOT_RUN, "does not do what it is told"),
        SshError::Transfer { .. } => (&TRANSFER_FAILED, "did not get a file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::ssh::{SshUser, Surroundings, Target, ask::Nobody, error::Unreachable, testing::surroundings};

    #[test]
    fn a_failure_names_the_machine_the_cause_and_a_command() {
        let target = Target { user: Some("ubuntu".into()), port: Some(2222), ..Target::new("web-1", "10.0.0.4") };
        let ssh = Ssh::new(SshUser::new(surroundings(), Box::new(Nobody)), target.clone());
        let failure =
            ssh.failure(&SshError::Unreachable { address: "10.0.0.4:2222".into(), why: Unreachable::Refused });
        assert_eq!(failure.to_string(), "machine `web-1` does not answer: 10.0.0.4:2222: connection refused");
        assert_eq!(failure.hint.as_deref(), Some("ssh -p 2222 ubuntu@10.0.0.4 -v true"));
        let changed = SshError::HostKeyChanged {
            host: "[10.0.0.4]:2222".into(),
            offered: "ED25519 SHA256:a".into(),
            known: "SHA256:b".into(),
            file: "known_hosts".into(),
            line: 3,
        };
        let hint = ssh.failure(&changed).hint.unwrap();
        assert!(hint.ends_with("ssh-keygen -R '[10.0.0.4]:2222' -f known_hosts"), "{hint}");
        let are_made = Surroundings { are_made: true, ..surroundings() };
        let hint = Ssh::new(SshUser::new(are_made, Box::new(Nobody)), target).failure(&changed).hint.unwrap();
        assert!(hint.ends_with("./orchestrator destroy, then create"), "{hint}");
    }
}
