//! Becoming root: for free where the user is root or sudo asks for nothing, else with a password.

use std::rc::Rc;

use super::{
    Ssh,
    connection::Connection,
    error::{NoPermission, SshError},
    script::{Came, NO_SUDO, Way},
    session::{Ended, Event, Session},
    user::Secret,
};

/// Reads the password from standard input and does nothing with the right it gives.
const TRY: &str = "exec sh -c 'LC_ALL=C; export LC_ALL; exec sudo -k -S -p \"\" true'";

impl Ssh {
    /// Does `act` as root. The way that worked is remembered, so the usual case costs nothing.
    pub(super) async fn as_root<T>(
        &self,
        connection: &Connection,
        act: impl AsyncFn(Way<'_>) -> Result<Came<T>, SshError>,
    ) -> Result<T, SshError> {
        let known = self.password.borrow().clone();
        let password = match known {
            Some(password) => password,
            None => match act(Way::Free).await? {
                Came::Out(output) => return Ok(output),
                Came::NotStarted { said, status } => {
                    let password = self.learn_password(connection, said, status).await?;
                    *self.password.borrow_mut() = Some(password.clone());
                    password
                }
            },
        };
        match act(Way::Password(&password)).await? {
            Came::Out(output) => Ok(output),
            Came::NotStarted { said, .. } => Err(no_permission(connection, NoPermission::NotAllowed(said))),
        }
    }

    async fn learn_password(
        &self,
        connection: &Connection,
        said: String,
        status: Option<u32>,
    ) -> Result<Rc<Secret>, SshError> {
        if status == Some(NO_SUDO) {
            return Err(no_permission(connection, NoPermission::NoSudo));
        }
        if refuses(&said) {
            return Err(no_permission(connection, NoPermission::NotAllowed(words(&said))));
        }
        if !wants_password(&said) {
            return Err(SshError::NotStarted { user: connection.login.clone(), output: said });
        }
        let Some(password) = self.user.sudo_password(&connection.login, &self.target.name).await else {
            return Err(no_permission(connection, NoPermission::PasswordNeeded));
        };
        match try_password(connection, &password).await? {
            (true, _) => Ok(password),
            (false, said) if refuses(&said) => Err(no_permission(connection, NoPermission::NotAllowed(words(&said)))),
            (false, _) => Err(no_permission(connection, NoPermission::WrongPassword)),
        }
    }
}

fn no_permission(connection: &Connection, why: NoPermission) -> SshError {
    SshError::NoPermission { user: connection.login.clone(), why }
}

/// Whether sudo would not let this user in with any password. The words are those of sudo and of sudo-rs.
fn refuses(said: &str) -> bool {
    ["not in the sudoers", "not allowed", "may not run", "must have a tty"].iter().any(|words| said.contains(words))
}

fn wants_password(said: &str) -> bool {
    said.contains("sudo") && (said.contains("password") || said.contains("authentication"))
}

/// Returns the line in which sudo refuses: others of a lecture may come before it, and of a mail to the administrator after.
fn words(said: &str) -> String {
    said.lines().rfind(|line| refuses(line)).unwrap_or(said).trim().to_owned()
}

async fn try_password(connection: &Connection, password: &str) -> Result<(bool, String), SshError> {
    let mut session = Session::open(connection).await?;
    let said = {
        let (read, write) = session.halves();
        let typing = async {
            write.exec(true, TRY).await?;
            write.data_bytes(format!("{password}\n")).await?;
            write.eof().await
        };
        let (mut said, mut ended) = (Vec::new(), None);
        let listening = async {
            while let Some(event) = read.next().await {
                match event {
                    Event::Err(data) | Event::Out(data) => said.extend_from_slice(&data),
                    Event::Ended(how) => ended = Some(how),
                }
            }
        };
        let _ = tokio::join!(typing, listening);
        ended.map(|ended: Ended| (ended.ok(), String::from_utf8_lossy(&said).into_owned()))
    };
    match said {
        Some(said) => Ok(said),
        None => Err(session.lost().await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudos_words_are_told_apart() {
        assert!(wants_password("sudo: a password is required"));
        assert!(wants_password("sudo: interactive authentication is required"));
        assert!(refuses("ann is not in the sudoers file."));
        assert!(refuses("Sorry, user ann is not allowed to execute '/usr/bin/true' as root on host."));
        assert!(!wants_password("This account is currently not available."));
        let said = "\nann is not in the sudoers file.\nThis incident has been reported to the administrator.\n";
        assert_eq!(words(said), "ann is not in the sudoers file.");
    }
}
