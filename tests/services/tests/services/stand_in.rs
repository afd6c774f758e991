//! An inventory that does what a test needs.

use std::net::Ipv4Addr;

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::program::{Environment, Service};

pub struct StandIn {
    pub url: String,
    task: JoinHandle<()>,
}

impl StandIn {
    pub async fn serve(router: Router) -> Self {
        let (listener, url) = listen().await;
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, task }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Starts a gateway without a broker in front of an inventory.
pub async fn gateway(inventory: &str) -> Service {
    Service::start("api-gateway", &[&no_broker(), &vec![("INVENTORY_URL", inventory.into())]]).await
}

fn no_broker() -> Environment {
    vec![
        ("RABBITMQ_HOST", "127.0.0.1".into()),
        ("RABBITMQ_PORT", crate::wait::free_port().to_string()),
        ("RABBITMQ_QUEUE", "billing".into()),
        ("RABBITMQ_USER", "nobody".into()),
        ("RABBITMQ_PASSWORD", "none".into()),
    ]
}
