//! The course's own calls: movies, an order, and the order that waits for billing.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    postgres::{Database, Postgres},
    program::{Environment, Service},
    rabbitmq::RabbitMq,
    wait::eventually,
};

pub type Row = (String, i32, String);

pub async fn orders(database: &Database) -> Vec<Row> {
    let query = "SELECT user_id, number_of_items, total_amount::text FROM orders ORDER BY id";
    sqlx::query_as(query).fetch_all(&mut database.connect().await.unwrap()).await.unwrap()
}

pub fn inventory_at(service: &Service) -> Environment {
    vec![("INVENTORY_URL", service.url(""))]
}

#[tokio::test]
async fn movies_and_orders_go_their_ways_and_an_order_waits_for_billing() {
    let (server, broker) = tokio::join!(Postgres::shared(), RabbitMq::shared());
    let (movies, bills, queue) = (server.database().await, server.database().await, broker.queue());
    // The gateway first: nothing has to be there before it.
    let inventory = Service::start("inventory-app", &[&movies.environment()]).await;
    let gateway = Service::start("api-gateway", &[&queue.environment(), &inventory_at(&inventory)]).await;
    let mut billing = Service::start("billing-app", &[&queue.environment(), &bills.environment()]).await;
    tokio::join!(inventory.ready(), gateway.ready(), billing.ready());
    let post = async |path: &str, body: Value| {
        let answer = Client::new().post(gateway.url(path)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };

    let movie = json!({ "title": "A new movie", "description": "Very short description" });
    assert_eq!(post("/api/movies/", movie).await.0, 201);
    let listed: Value = reqwest::get(gateway.url("/api/movies/")).await.unwrap().json().await.unwrap();
    assert_eq!(listed[0]["title"], "A new movie");
    let large = json!({ "title": "x".repeat(5 << 20) });
    assert_eq!(post("/api/movies", large).await.0, 413);

    let order = json!({ "user_id": "20", "number_of_items": "99", "total_amount": "250" });
    let (status, answer) = post("/api/billing/", order).await;
    assert_eq!((status, &answer["status"]), (200, &json!("queued")));
    let order = json!({ "user_id": 21, "number_of_items": 1, "total_amount": 19.99 });
    assert_eq!(post("/api/billing", order).await.0, 200);
    let (first, second) = (("20".into(), 99, "250".into()), ("21".into(), 1, "19.99".into()));
    eventually("two orders", 20, async || (orders(&bills).await.len() == 2).then_some(())).await;
    assert_eq!(orders(&bills).await, [first.clone(), second.clone()]);

    assert!(billing.terminate().await.success());
    let order = json!({ "user_id": "22", "number_of_items": "10", "total_amount": "50" });
    assert_eq!(post("/api/billing/", order).await.0, 200);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(orders(&bills).await.len(), 2);
    billing.start_again().await;
    eventually("the third order", 20, async || (orders(&bills).await.len() == 3).then_some(())).await;
    assert_eq!(orders(&bills).await, [first, second, ("22".into(), 10, "50".into())]);
    assert_eq!(queue.length().await, 0);
    let text = reqwest::get(gateway.url("/metrics")).await.unwrap().text().await.unwrap();
    assert!(text.contains(r#"billing_messages_total{outcome="published"} 3"#), "{text}");
}
