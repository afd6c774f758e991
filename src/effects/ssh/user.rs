//! The person whose SSH this is: their files, their agent, and what they were asked already.

use std::{
    cell::RefCell,
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    rc::{Rc, Weak},
};

use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{Ssh, ask::Ask, key_files::KeyFiles};

/// A password or passphrase. It has no `Debug`, and its memory is wiped.
pub type Secret = Zeroizing<String>;

/// What holds for every machine, read once per run.
pub struct Surroundings {
    pub home: PathBuf,
    /// The name this computer knows the user by.
    pub name: String,
    /// Configuration files, the user's first.
    pub config: Vec<PathBuf>,
    /// The socket of the agent.
    pub agent: Option<PathBuf>,
    /// For machines whose sudo wants one.
    pub sudo_password: Option<Secret>,
    /// The cluster's own file, to which confirmed keys are added.
    pub known_hosts: PathBuf,
    /// The machines are made by this program, which knows their host keys before they run.
    pub are_made: bool,
}

/// The person and their surroundings, shared by the connections of a run.
pub struct SshUser {
    pub surroundings: Surroundings,
    ask: Box<dyn Ask>,
    /// Held while something is asked, so that questions come one after the other.
    asking: Mutex<()>,
    sudo_password: RefCell<Option<Rc<Secret>>>,
    pub keys: KeyFiles,
    /// What is worth a word and stops nothing.
    warnings: RefCell<Vec<String>>,
    /// Machines on the way to others, by how they are named.
    bastions: RefCell<HashMap<String, Weak<Ssh>>>,
}

impl Surroundings {
    /// Looks at the environment of this process. `known_hosts` is the cluster's own file.
    pub fn from_environment(known_hosts: PathBuf) -> Self {
        let uid = rustix::process::getuid().as_raw();
        let account = fs::read_to_string("/etc/passwd").ok().and_then(|text| account(&text, uid));
        let (name, home) = account.unwrap_or_default();
        let name = if name.is_empty() { env::var("USER").unwrap_or_default() } else { name };
        let home = env::var_os("HOME").map_or(PathBuf::from(home), PathBuf::from);
        Self {
            config: vec![home.join(".ssh/config"), "/etc/ssh/ssh_config".into()],
            home,
            name,
            agent: env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from),
            sudo_password: env::var("ORCHESTRATOR_SUDO_PASSWORD").ok().map(Secret::new),
            known_hosts,
            are_made: false,
        }
    }
}

impl Surroundings {
    /// Those of machines that this program makes: what the user's own SSH configuration, agent and known_hosts say of
    /// their addresses is about other machines.
    pub fn apart(folder: &Path, known_hosts: PathBuf) -> Self {
        Self {
            home: folder.into(),
            name: String::new(),
            config: Vec::new(),
            agent: None,
            sudo_password: env::var("ORCHESTRATOR_SUDO_PASSWORD").ok().map(Secret::new),
            known_hosts,
            are_made: true,
        }
    }
}

/// Returns the name and the home of the account `uid` in the text of `/etc/passwd`.
fn account(passwd: &str, uid: u32) -> Option<(String, String)> {
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut found = fields.filter(|fields| fields.len() > 5 && fields[2].parse() == Ok(uid));
    found.next().map(|fields| (fields[0].to_owned(), fields[5].to_owned()))
}

impl SshUser {
    /// Reads the environment of this process: for the command line alone.
    pub fn from_environment(known_hosts: &Path, ask: Box<dyn Ask>) -> Rc<Self> {
        Self::new(Surroundings::from_environment(known_hosts.to_owned()), ask)
    }

    pub fn new(surroundings: Surroundings, ask: Box<dyn Ask>) -> Rc<Self> {
        let sudo_password = RefCell::new(surroundings.sudo_password.clone().map(Rc::new));
        Rc::new(Self {
            surroundings,
            ask,
            asking: Mutex::default(),
            sudo_password,
            keys: KeyFiles::default(),
            warnings: RefCell::default(),
            bastions: RefCell::default(),
        })
    }

    /// Remembers lines of known_hosts files that are read over, as `file:line`.
    pub(super) fn warn(&self, skipped: &[String]) {
        let mut warnings = self.warnings.borrow_mut();
        for place in skipped {
            let warning = format!("{place} is no entry of a known_hosts file and is read over");
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }

    /// Returns what was noticed so far and stops nothing, for the caller to show.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.borrow().clone()
    }

    /// Waits until no other question is open; until the turn is dropped, this one is.
    pub async fn turn(&self) -> Turn<'_> {
        Turn { ask: self.ask.as_ref(), _held: self.asking.lock().await }
    }

    /// Returns the password for sudo, asking for it the first time; `None` if there is nobody to ask.
    pub async fn sudo_password(&self, user: &str, machine: &str) -> Option<Rc<Secret>> {
        let turn = self.turn().await;
        if let Some(known) = self.sudo_password.borrow().clone() {
            return Some(known);
        }
        let typed = turn.secret(&format!("sudo password of {user} on {machine}: ")).await?;
        let typed = Rc::new(typed);
        *self.sudo_password.borrow_mut() = Some(typed.clone());
        Some(typed)
    }

    /// Returns the machine called `name` that others are reached through, or makes it.
    pub fn bastion(&self, name: &str, make: impl FnOnce() -> Rc<Ssh>) -> Rc<Ssh> {
        let mut bastions = self.bastions.borrow_mut();
        if let Some(known) = bastions.get(name).and_then(Weak::upgrade) {
            return known;
        }
        let made = make();
        bastions.insert(name.into(), Rc::downgrade(&made));
        made
    }
}

/// The turn to ask something.
pub struct Turn<'a> {
    ask: &'a dyn Ask,
    _held: tokio::sync::MutexGuard<'a, ()>,
}

impl Turn<'_> {
    /// Asks for something that is not shown; `None` if there is nobody to ask.
    pub async fn secret(&self, question: &str) -> Option<Secret> {
        self.ask.line(question, true).await.map(Secret::new)
    }

    /// Asks for yes or no, in full; `None` if there is nobody to ask.
    pub async fn confirm(&self, question: &str) -> Option<bool> {
        loop {
            match self.ask.line(question, false).await?.trim().to_lowercase().as_str() {
                "yes" => return Some(true),
                "no" => return Some(false),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_by_its_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000:,,,:/home/ann:/bin/zsh\n";
        assert_eq!(account(passwd, 1000), Some(("ann".into(), "/home/ann".into())));
        assert_eq!(account(passwd, 1), None);
    }
}
