//! PostgreSQL servers of the tests' own.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Weak},
};

use rustix::process::Signal;
use sqlx::{Connection, PgConnection, PgPool};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::{
    program::{Environment, Program},
    wait::{eventually, free_port},
};

const USER: &str = "tester";
const PASSWORD: &str = "it's a %40 \"secret\"";

pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    server: Option<Program>,
}

impl Postgres {
    /// Returns a server that tests share; it ends with the last of them.
    pub async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&server);
        server
    }

    pub async fn start() -> Self {
        let installed = glob("/usr/lib/postgresql").into_iter().map(|version| version.join("bin")).max();
        let programs = installed.expect("there is no PostgreSQL: run tests/run");
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        let mut server = Self { programs, folder, port: free_port(), server: None };
        if let Some((user, group)) = account() {
            chown(server.folder.path(), Some(user), Some(group)).unwrap();
            chown(&password, Some(user), Some(group)).unwrap();
        }
        let mut initdb = server.command("initdb");
        initdb.args(["--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--username", USER]);
        initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(server.data());
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.start_again().await;
        server
    }

    pub async fn start_again(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200"] {
            command.args(["-c", setting]);
        }
        self.server = Some(Program::start("postgres", &mut command));
        eventually("PostgreSQL answers", 30, async || self.connect("postgres").await.ok()).await;
    }

    /// Ends the server at once, as a crash does: what is not committed is gone.
    pub fn crash(&mut self) {
        self.server.take().unwrap().end(Signal::QUIT);
    }

    /// Makes a database that no other test uses.
    pub async fn database(&self) -> Database {
        let database = self.database_to_be();
        database.create().await;
        database
    }

    /// Returns the place of a database that is not there yet.
    pub fn database_to_be(&self) -> Database {
        Database { name: format!("test_{}", uuid::Uuid::new_v4().simple()), port: self.port }
    }

    /// Makes a database of this name, and a user of this name who may do everything with it.
    pub async fn database_called(&self, name: &str, user: &str) -> Database {
        let database = Database { name: name.into(), port: self.port };
        database.create().await;
        let role = format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{USER}'");
        sqlx::query(sqlx::AssertSqlSafe(role)).execute(&mut database.connect().await.unwrap()).await.unwrap();
        database
    }

    /// psql for the users of `database_called`, as it is called in a container of the server.
    pub fn psql(&self, arguments: &[String]) -> Command {
        let mut command = self.command("psql");
        command.args(arguments).env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string()).env("PGPASSWORD", USER);
        command
    }

    async fn connect(&self, database: &str) -> sqlx::Result<PgConnection> {
        Database { name: database.into(), port: self.port }.connect().await
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// PostgreSQL refuses to run as root.
    fn command(&self, program: &str) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(self.programs.join(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").current_dir("/");
        if let Some((user, group)) = account() {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.end(Signal::INT);
        }
    }
}

#[derive(Clone)]
pub struct Database {
    name: String,
    port: u16,
}

impl Database {
    pub async fn create(&self) {
        let mut connection = Self { name: "postgres".into(), port: self.port }.connect().await.unwrap();
        let create = format!("CREATE DATABASE {}", self.name);
        sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
    }

    /// What a service has to know.
    pub fn environment(&self) -> Environment {
        vec![
            ("DATABASE_HOST", "127.0.0.1".into()),
            ("DATABASE_PORT", self.port.to_string()),
            ("DATABASE_NAME", self.name.clone()),
            ("DATABASE_USER", USER.into()),
            ("DATABASE_PASSWORD", PASSWORD.into()),
        ]
    }

    pub async fn connect(&self) -> sqlx::Result<PgConnection> {
        PgConnection::connect_with(&self.options()).await
    }

    /// Connections that outlive a restart of the server.
    pub fn pool(&self) -> PgPool {
        PgPool::connect_lazy_with(self.options())
    }

    fn options(&self) -> sqlx::postgres::PgConnectOptions {
        sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .database(&self.name)
            .username(USER)
            .password(PASSWORD)
    }
}

/// The account that PostgreSQL runs as where the tests are run by root.
fn account() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let line = accounts.lines().find(|line| line.starts_with("postgres:")).expect("no user postgres: run tests/run");
    let mut numbers = line.split(':').skip(2).map(|number| number.parse().unwrap());
    Some((numbers.next().unwrap(), numbers.next().unwrap()))
}

fn glob(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(Path::new(folder)).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
