//! The movies in PostgreSQL. Every call ends within seconds, also where the database does not answer.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::{
    link::Link,
    movie::{Draft, Movie},
    problem::Problem,
};

/// Takes an advisory lock, so that of several replicas one migrates and the others wait.
static MIGRATIONS: Migrator = sqlx::migrate!();

const CONNECTIONS: u32 = 10;
const ACQUIRE: Duration = Duration::from_secs(3);
/// A connection that was in use so recently is not asked first whether it still works: that would double each query.
const FRESH: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(8);
const PROBE: Duration = Duration::from_millis(1500);
const MIGRATE: Duration = Duration::from_mins(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub struct Store {
    database: PgConnectOptions,
    pool: PgPool,
    link: Link,
    migrated: AtomicBool,
}

impl Store {
    /// Connects with the first call that needs it.
    pub fn new(database: PgConnectOptions) -> Self {
        let link = Link::new(format!("PostgreSQL at {}:{}", database.get_host(), database.get_port()));
        let pool =
            PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE).test_before_acquire(false);
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

    /// Creates the tables, trying until the database is there.
    pub async fn migrate(&self) {
        let mut pause = SHORTEST_PAUSE;
        while let Err(trouble) = within(MIGRATE, self.migrate_once()).await {
            self.link.report(Err(trouble));
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        self.migrated.store(true, Ordering::Relaxed);
        self.link.report(Ok(()));
    }

    async fn migrate_once(&self) -> sqlx::Result<()> {
        MIGRATIONS.run(&mut self.database.connect().await?).await.map_err(Into::into)
    }

    /// Asks for a sign of life over a connection of its own: one of the pool may be an old one, or none be free.
    pub async fn ready(&self) -> Result<(), Problem> {
        if self.migrated.load(Ordering::Relaxed) {
            let answer = within(PROBE, async { self.database.connect().await?.close().await }).await;
            self.link.report(answer);
        }
        self.link.trouble().map_or(Ok(()), |trouble| Err(Problem::unavailable(trouble)))
    }

    /// Returns the movies whose title contains a text, in whatever case, in the order of their ids.
    pub async fn list(&self, title: &str, limit: i64, offset: i64) -> Result<Vec<Movie>, Problem> {
        let query = sqlx::query_as(
            "SELECT id, title, description FROM movies WHERE position(lower($1) IN lower(title)) > 0 \
             ORDER BY id LIMIT $2 OFFSET $3",
        );
        self.ask(query.bind(title).bind(limit).bind(offset).fetch_all(&self.pool)).await
    }

    pub async fn get(&self, id: i64) -> Result<Option<Movie>, Problem> {
        let query = sqlx::query_as("SELECT id, title, description FROM movies WHERE id = $1");
        self.ask(query.bind(id).fetch_optional(&self.pool)).await
    }

    pub async fn add(&self, movie: &Draft) -> Result<Movie, Problem> {
        let query =
            sqlx::query_as("INSERT INTO movies (title, description) VALUES ($1, $2) RETURNING id, title, description");
        self.ask(query.bind(&movie.title).bind(&movie.description).fetch_one(&self.pool)).await
    }

    pub async fn replace(&self, id: i64, movie: &Draft) -> Result<Option<Movie>, Problem> {
        let query = sqlx::query_as(
            "UPDATE movies SET title = $2, description = $3 WHERE id = $1 RETURNING id, title, description",
        );
        self.ask(query.bind(id).bind(&movie.title).bind(&movie.description).fetch_optional(&self.pool)).await
    }

    /// Returns whether there was such a movie.
    pub async fn remove(&self, id: i64) -> Result<bool, Problem> {
        let query = sqlx::query("DELETE FROM movies WHERE id = $1").bind(id);
        Ok(self.ask(query.execute(&self.pool)).await?.rows_affected() > 0)
    }

    /// Returns how many movies there were.
    pub async fn clear(&self) -> Result<u64, Problem> {
        Ok(self.ask(sqlx::query("DELETE FROM movies").execute(&self.pool)).await?.rows_affected())
    }

    async fn ask<T>(&self, query: impl Future<Output = sqlx::Result<T>>) -> Result<T, Problem> {
        if !self.migrated.load(Ordering::Relaxed) {
            self.ready().await?;
        }
        let trouble = match within(ANSWER, query).await {
            Ok(answer) => return Ok(answer),
            Err(trouble) => trouble,
        };
        self.ready().await?;
        warn!("a query failed: {trouble}");
        Err(Problem::unavailable(format!("PostgreSQL did not carry it out: {trouble}")))
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = sqlx::Result<T>>) -> Result<T, String> {
    let in_time = timeout(limit, work).await;
    in_time.map_err(|_| format!("no answer within {} ms", limit.as_millis()))?.map_err(|error| error.to_string())
}
