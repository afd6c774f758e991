//! What the environment says.

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::environment::Environment;

pub struct Settings {
    pub port: u16,
    pub database: PgConnectOptions,
}

impl Settings {
    /// The error lists every variable that is missing or wrong.
    pub fn read() -> Result<Self, String> {
        let mut environment = Environment::default();
        let settings = Self {
            port: environment.number("PORT"),
            database: PgConnectOptions::new_without_pgpass()
                .host(&environment.text("DATABASE_HOST"))
                .port(environment.number("DATABASE_PORT"))
                .database(&environment.text("DATABASE_NAME"))
                .username(&environment.text("DATABASE_USER"))
                .password(&environment.text("DATABASE_PASSWORD"))
                .ssl_mode(PgSslMode::Disable)
                .application_name("inventory-app")
                .options([("statement_timeout", "7s")]),
        };
        environment.finish(settings)
    }
}
