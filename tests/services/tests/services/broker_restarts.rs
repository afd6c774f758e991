//! Orders while the broker goes and comes back.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    postgres::Postgres,
    program::{Environment, Service},
    rabbitmq::RabbitMq,
    wait::eventually,
};

const ORDERS: i64 = 1000;

fn no_inventory() -> Environment {
    vec![("INVENTORY_URL", format!("http://127.0.0.1:{}", crate::wait::free_port()))]
}

async fn order(gateway: &Service, user: i64) -> Response {
    let order = json!({ "user_id": user, "number_of_items": "2", "total_amount": "9.90" });
    Client::new().post(gateway.url("/api/billing")).json(&order).send().await.unwrap()
}

#[tokio::test]
async fn without_a_broker_no_order_is_said_to_be_taken() {
    let mut broker = RabbitMq::new();
    let queue = broker.queue();
    let gateway = Service::start("api-gateway", &[&queue.environment(), &no_inventory()]).await;
    let began = Instant::now();
    let answer = order(&gateway, 1).await;
    assert_eq!(answer.status(), 503);
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    assert_eq!(answer.headers()["retry-after"], "5");
    let reason = answer.text().await.unwrap();
    assert!(reason.contains("RabbitMQ") && reason.contains("Connection refused"), "{reason}");

    broker.start_again().await;
    eventually("an order is taken", 30, async || (order(&gateway, 2).await.status() == 200).then_some(())).await;
    // RabbitMQ itself forgets a queue that was made in the second before it is killed.
    sleep(Duration::from_secs(3)).await;
    let before = queue.length().await;
    broker.crash();
    assert_eq!(order(&gateway, 3).await.status(), 503);
    broker.start_again().await;
    assert_eq!(queue.length().await, before, "what was confirmed outlives the crash");
    eventually("an order is taken", 30, async || (order(&gateway, 4).await.status() == 200).then_some(())).await;
    let ready: Value = reqwest::get(gateway.url("/ready")).await.unwrap().json().await.unwrap();
    assert_eq!(ready["broker"], "ready");
    let log = gateway.program.log();
    assert!(log.matches("RabbitMQ").count() < 12, "one line per change:\n{log}");
    assert!(!log.contains("secret"), "{log}");
}

/// Makes each order take a while, so that consumers are killed in the midst of their work.
async fn slow_down(rows: &PgPool) {
    for statement in [
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_sleep(0.005); RETURN new; END $$",
        "CREATE TRIGGER wait BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION wait()",
    ] {
        sqlx::query(statement).execute(rows).await.unwrap();
    }
}

async fn count(rows: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(rows).await.unwrap()
}

#[tokio::test]
async fn a_thousand_orders_are_billed_once_each_though_consumer_and_broker_die() {
    let (server, mut broker) = tokio::join!(Postgres::shared(), RabbitMq::start());
    let (database, queue) = (server.database().await, broker.queue());
    let gateway = Service::start("api-gateway", &[&queue.environment(), &no_inventory()]).await;
    let mut billing = Service::start("billing-app", &[&queue.environment(), &database.environment()]).await;
    billing.ready().await;
    let rows = database.pool();
    slow_down(&rows).await;

    let mut clients = JoinSet::new();
    let client = Client::new();
    for first in 0..20 {
        let (client, url) = (client.clone(), gateway.url("/api/billing"));
        clients.spawn(async move {
            for user in (first..ORDERS).step_by(20) {
                let order = json!({ "user_id": user, "number_of_items": "2", "total_amount": "9.90" });
                assert_eq!(client.post(&url).json(&order).send().await.unwrap().status(), 200);
            }
        });
    }
    clients.join_all().await;

    let (mut kills, mut next) = (0, 50);
    while next < ORDERS {
        eventually("the next 50 orders", 60, async || (count(&rows).await >= next).then_some(())).await;
        billing.program.kill();
        kills += 1;
        match next {
            300 => {
                broker.crash();
                broker.start_again().await;
            }
            700 => {
                broker.stop();
                broker.start_again().await;
            }
            _ => (),
        }
        next = count(&rows).await / 50 * 50 + 50;
        billing.start_again().await;
    }
    eventually("all orders", 60, async || (count(&rows).await >= ORDERS).then_some(())).await;
    eventually("an empty queue", 30, async || (queue.length().await == 0).then_some(())).await;
    sleep(Duration::from_secs(1)).await;
    let users = "SELECT count(DISTINCT user_id) FROM orders";
    let users: i64 = sqlx::query_scalar(users).fetch_one(&rows).await.unwrap();
    println!("{kills} kills, {} rows, {users} users", count(&rows).await);
    assert_eq!((count(&rows).await, users), (ORDERS, ORDERS));
    assert!(kills >= 15, "{kills}");
}
