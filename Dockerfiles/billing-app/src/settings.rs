//! What the environment says.

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::environment::Environment;

pub struct Settings {
    pub port: u16,
    pub broker: AMQPUri,
    pub queue: String,
    pub database: PgConnectOptions,
}

impl Settings {
    /// The error lists every variable that is missing or wrong.
    pub fn read() -> Result<Self, String> {
        let mut environment = Environment::default();
        let settings = Self {
            port: environment.number("PORT"),
            broker: broker(&mut environment),
            queue: environment.text("RABBITMQ_QUEUE"),
            database: PgConnectOptions::new_without_pgpass()
                .host(&environment.text("DATABASE_HOST"))
                .port(environment.number("DATABASE_PORT"))
                .database(&environment.text("DATABASE_NAME"))
                .username(&environment.text("DATABASE_USER"))
                .password(&environment.text("DATABASE_PASSWORD"))
                .ssl_mode(PgSslMode::Disable)
                .application_name("billing-app")
                .options([("statement_timeout", "7s")]),
        };
        environment.finish(settings)
    }
}

fn broker(environment: &mut Environment) -> AMQPUri {
    let userinfo =
        AMQPUserInfo { username: environment.text("RABBITMQ_USER"), password: environment.text("RABBITMQ_PASSWORD") };
    let (host, port) = (environment.text("RABBITMQ_HOST"), environment.number("RABBITMQ_PORT"));
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority { userinfo, host, port },
        vhost: std::env::var("RABBITMQ_VHOST").unwrap_or_else(|_| "/".into()),
        // Seconds without a sign of life from the broker, after twice of which it is given up.
        query: AMQPQueryString { heartbeat: Some(10), ..AMQPQueryString::default() },
    }
}
