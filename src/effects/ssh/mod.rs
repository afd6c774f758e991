//! Machines over SSH. Nothing outside this folder knows which library speaks it.

pub mod ask;
mod authentication;
pub mod config;
mod connect;
mod connection;
pub mod error;
mod failure;
mod forward;
mod handler;
mod host_config;
mod key_files;
mod key_pair;
mod known_hosts;
mod script;
mod session;
mod shell;
mod sudo;
#[cfg(test)]
mod testing;
mod upload;
mod user;

use std::{cell::RefCell, path::PathBuf, rc::Rc, time::Duration};

use futures::future::LocalBoxFuture;
use tokio::{sync::Mutex, time::timeout};

use config::Proxy;
use connection::Connection;
pub use error::SshError;
use host_config::HostConfig;
pub use key_pair::KeyPair;
pub use script::{As, Input, Output};
use script::{Came, Way};
pub use session::Ended;
pub use upload::Upload;
pub use user::{Secret, SshUser, Surroundings};

/// No script takes longer: an import of images on a slow disk takes minutes.
const SCRIPT: Duration = Duration::from_secs(15 * 60);

/// A machine to reach, as `orchestrator.toml` names it. What the user's SSH configuration says of it holds too; what
/// is given here wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The machine's name, for people.
    pub name: String,
    /// What the user would call `ssh` with.
    pub address: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Private key to log in with; `~` is the home directory.
    pub key: Option<PathBuf>,
}

impl Target {
    /// A machine of which everything but the address is up to the user's configuration.
    pub fn new(name: &str, address: &str) -> Self {
        Self { name: name.into(), address: address.into(), user: None, port: None, key: None }
    }
}

/// A machine over SSH: one connection, made when first needed and made again when it was lost.
pub struct Ssh {
    user: Rc<SshUser>,
    target: Target,
    connection: Mutex<Option<Rc<Connection>>>,
    /// How it is reached, if not as the configuration says.
    proxy: Option<Proxy>,
    /// What sudo wants, once it is known to want it.
    password: RefCell<Option<Rc<Secret>>>,
}

impl Ssh {
    /// Touches nothing yet.
    pub fn new(user: Rc<SshUser>, target: Target) -> Self {
        Self { user, target, connection: Mutex::default(), proxy: None, password: RefCell::default() }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Runs a script for `sh` and returns what it wrote and how it ended. The script is fixed text: values travel in
    /// `input`, which is its standard input. It must be safe to repeat: when the connection is lost, it is made again
    /// once and the script runs once more.
    ///
    /// # Errors
    /// When the script did not run to its end. How it ended is no error.
    pub async fn run(&self, who: As, script: &str, input: impl Into<Input>) -> Result<Output, SshError> {
        let input = input.into();
        self.repeat(&[], async |connection| {
            self.bounded(async |way| script::run(connection, way, script, &input, None).await, who, connection).await
        })
        .await
    }

    /// Runs a script and hands over what it writes as it comes, for as long as it takes. It is not repeated: what was
    /// handed over stays so. The returned output holds standard error.
    ///
    /// # Errors
    /// When the script did not run to its end.
    pub async fn stream(
        &self,
        who: As,
        script: &str,
        input: impl Into<Input>,
        on_out: &mut dyn FnMut(&[u8]),
    ) -> Result<Output, SshError> {
        let input = input.into();
        let connection = self.connection(&[]).await?;
        let on_out = RefCell::new(on_out);
        let act = async |way: Way<'_>| {
            let mut hand_over = |data: &[u8]| (on_out.borrow_mut())(data);
            script::run(&connection, way, script, &input, Some(&mut hand_over)).await
        };
        self.act(act, who, &connection).await
    }

    async fn bounded<T>(
        &self,
        act: impl AsyncFn(Way<'_>) -> Result<Came<T>, SshError>,
        who: As,
        connection: &Connection,
    ) -> Result<T, SshError> {
        let late = || SshError::TimedOut { what: "a script".into(), seconds: SCRIPT.as_secs() };
        let act = async |way: Way<'_>| timeout(SCRIPT, act(way)).await.unwrap_or_else(|_| Err(late()));
        self.act(act, who, connection).await
    }

    async fn act<T>(
        &self,
        act: impl AsyncFn(Way<'_>) -> Result<Came<T>, SshError>,
        who: As,
        connection: &Connection,
    ) -> Result<T, SshError> {
        match who {
            As::Root => self.as_root(connection, act).await,
            As::User => match act(Way::User).await? {
                Came::Out(output) => Ok(output),
                Came::NotStarted { said, .. } => {
                    Err(SshError::NotStarted { user: connection.login.clone(), output: said })
                }
            },
        }
    }

    /// Does something idempotent, once more on a new connection when the first was lost on the way.
    async fn repeat<T>(
        &self,
        trail: &[String],
        act: impl AsyncFn(&Connection) -> Result<T, SshError>,
    ) -> Result<T, SshError> {
        let connection = self.connection(trail).await?;
        let lost = match act(&connection).await {
            Err(SshError::Lost { because }) => because,
            other => return other,
        };
        self.forget(&connection).await;
        drop(connection);
        let again = async { act(&*self.connection(trail).await?).await };
        again.await.map_err(|error| match error {
            error if error.heals() => SshError::Lost { because: format!("{lost}; then {error}") },
            error => error,
        })
    }

    /// Returns the connection, making it if need be. `trail` names the machines that wait for this one.
    async fn connection(&self, trail: &[String]) -> Result<Rc<Connection>, SshError> {
        let mut held = self.connection.lock().await;
        if let Some(open) = held.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(open.clone());
        }
        let host = HostConfig::resolve(&self.user.surroundings, &self.target, self.proxy.clone()).await?;
        let connecting: LocalBoxFuture<'_, _> = Box::pin(connect::connect(&self.user, &host, trail));
        let made = Rc::new(connecting.await?);
        *held = Some(made.clone());
        Ok(made)
    }

    async fn forget(&self, lost: &Rc<Connection>) {
        let mut held = self.connection.lock().await;
        if held.as_ref().is_some_and(|connection| Rc::ptr_eq(connection, lost)) {
            *held = None;
        }
    }
}
