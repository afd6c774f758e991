//! What the environment says.

use axum::http::Uri;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};

use crate::environment::Environment;

pub struct Settings {
    pub port: u16,
    /// Scheme, host and port.
    pub inventory: Uri,
    pub broker: AMQPUri,
    pub queue: String,
}

impl Settings {
    /// The error lists every variable that is missing or wrong.
    pub fn read() -> Result<Self, String> {
        let mut environment = Environment::default();
        let settings = Self {
            port: environment.number("PORT"),
            inventory: inventory(&mut environment),
            broker: broker(&mut environment),
            queue: environment.text("RABBITMQ_QUEUE"),
        };
        environment.finish(settings)
    }
}

fn inventory(environment: &mut Environment) -> Uri {
    let text = environment.text("INVENTORY_URL");
    match text.parse::<Uri>() {
        Ok(uri) if uri.scheme_str() == Some("http") && uri.path() == "/" => uri,
        _ if text.is_empty() => Uri::default(),
        _ => environment.problem(format!("INVENTORY_URL is `{text}`, which is not of the form http://host:port")),
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
