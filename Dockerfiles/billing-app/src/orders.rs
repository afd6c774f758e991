//! The orders in PostgreSQL.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Error, PgPool,
    error::DatabaseError,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::{link::Link, order::Order};

/// Takes an advisory lock, so that of several replicas one migrates and the others wait.
static MIGRATIONS: Migrator = sqlx::migrate!();

const ACQUIRE: Duration = Duration::from_secs(3);
/// A connection that was in use so recently is not asked first whether it still works: that would double each query.
const FRESH: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(8);
const PROBE: Duration = Duration::from_millis(1500);
const MIGRATE: Duration = Duration::from_mins(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

const INSERT: &str = "INSERT INTO orders (user_id, number_of_items, total_amount, message_id) \
                      VALUES ($1, $2, $3::text::numeric, $4) ON CONFLICT (message_id) DO NOTHING";
/// Reads all orders there are: only for the few messages that need it.
const INSERT_UNLESS_ONE_BEGINS: &str = "INSERT INTO orders (user_id, number_of_items, total_amount, message_id) \
                                        SELECT $1, $2, $3::text::numeric, $4 \
                                        WHERE NOT EXISTS (SELECT FROM orders WHERE starts_with(message_id, $5)) \
                                        ON CONFLICT (message_id) DO NOTHING";

pub struct Orders {
    database: PgConnectOptions,
    pool: PgPool,
    link: Link,
    migrated: AtomicBool,
}

/// What tells one message from another.
pub struct Key {
    pub id: String,
    /// The message is not new either where an id that begins like this is known.
    pub or_begins: Option<String>,
}

/// Why PostgreSQL will never take an order.
pub struct Refused(pub String);

impl Orders {
    /// Connects with the first call that needs it.
    pub fn new(database: PgConnectOptions) -> Self {
        let link = Link::new(format!("PostgreSQL at {}:{}", database.get_host(), database.get_port()));
        let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(ACQUIRE).test_before_acquire(false);
        let pool = pool.before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
        let pool = pool.connect_lazy_with(database.clone());
        Self { database, pool, link, migrated: AtomicBool::new(false) }
    }

    /// Creates the table, trying until the database is there.
    pub async fn migrate(&self) {
        let mut pause = SHORTEST_PAUSE;
        while let Err(trouble) = within(MIGRATE, self.migrate_once()).await {
            self.link.report(Err(trouble.to_string()));
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        self.migrated.store(true, Ordering::Relaxed);
        self.link.report(Ok(()));
    }

    async fn migrate_once(&self) -> sqlx::Result<()> {
        MIGRATIONS.run(&mut self.database.connect().await?).await.map_err(Into::into)
    }

    /// Returns why the database is not there, if it is not.
    pub async fn trouble(&self) -> Option<String> {
        if self.migrated.load(Ordering::Relaxed) {
            let answer = within(PROBE, async { self.database.connect().await?.close().await }).await;
            self.link.report(answer.map_err(|error| error.to_string()));
        }
        self.link.trouble()
    }

    /// Writes an order unless its message was here before, trying until the database is there. Returns whether it is
    /// new; once this returns, the order is committed.
    pub async fn record(&self, order: &Order, key: &Key) -> Result<bool, Refused> {
        let mut pause = SHORTEST_PAUSE;
        loop {
            match within(ANSWER, self.insert(order, key)).await {
                Ok(new) => {
                    self.link.report(Ok(()));
                    return Ok(new);
                }
                Err(error) if is_final(&error) => return Err(Refused(error.to_string())),
                Err(error) if self.trouble().await.is_none() => warn!("an order waits: {error}"),
                Err(_) => (),
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn insert(&self, order: &Order, key: &Key) -> sqlx::Result<bool> {
        let query = sqlx::query(if key.or_begins.is_some() { INSERT_UNLESS_ONE_BEGINS } else { INSERT });
        let query = query.bind(&order.user_id).bind(order.number_of_items).bind(&order.total_amount).bind(&key.id);
        let query = match &key.or_begins {
            Some(begin) => query.bind(begin),
            None => query,
        };
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }
}

/// Whether it is the values that PostgreSQL does not take: classes 22 (data) and 23 (constraints) of its error codes.
fn is_final(error: &Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

async fn within<T>(limit: Duration, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let late =
        |_| Error::Io(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs_f32())));
    timeout(limit, work).await.map_err(late)?
}
