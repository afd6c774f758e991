//! Clients while the inventory restarts, and billing while its database does.

use std::{collections::BTreeMap, time::Duration};

use lapin::BasicProperties;
use reqwest::Client;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    course::{inventory_at, orders},
    postgres::Postgres,
    program::Service,
    rabbitmq::RabbitMq,
    stand_in,
    wait::eventually,
};

const CLIENTS: usize = 200;
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn clients_get_an_answer_while_the_inventory_restarts() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let mut inventory = Service::start("inventory-app", &[&database.environment()]).await;
    inventory.ready().await;
    let gateway = stand_in::gateway(&inventory_at(&inventory)[0].1).await;
    let end = Instant::now() + Duration::from_secs(12);
    let mut clients = JoinSet::new();
    let client = Client::builder().timeout(DEADLINE).build().unwrap();
    for number in 0..CLIENTS {
        let (client, url) = (client.clone(), gateway.url("/api/movies"));
        clients.spawn(async move {
            let mut seen = BTreeMap::<u16, usize>::new();
            while Instant::now() < end {
                let request = match number % 4 {
                    0 => client.post(&url).json(&json!({ "title": format!("of client {number}") })),
                    _ => client.get(format!("{url}?limit=10")),
                };
                let answer = request.send().await.unwrap_or_else(|error| panic!("client {number}: {error:?}"));
                *seen.entry(answer.status().as_u16()).or_default() += 1;
                answer.bytes().await.unwrap_or_else(|error| panic!("client {number}: {error:?}"));
                sleep(Duration::from_millis(20)).await;
            }
            seen
        });
    }
    for forced in [false, true, false] {
        sleep(Duration::from_secs(2)).await;
        if forced {
            inventory.program.kill();
        } else {
            assert!(inventory.terminate().await.success());
        }
        sleep(Duration::from_millis(500)).await;
        inventory.start_again().await;
    }
    let mut seen = BTreeMap::<u16, usize>::new();
    for counts in clients.join_all().await {
        for (status, count) in counts {
            *seen.entry(status).or_default() += count;
        }
    }
    println!("answers: {seen:?}");
    assert!(seen.keys().all(|status| [200, 201, 502, 503, 504].contains(status)), "{seen:?}");
    assert!(seen[&200] > 1000 && seen.contains_key(&502), "{seen:?}");
    let rows = "SELECT count(*) FROM movies";
    let rows: i64 = sqlx::query_scalar(rows).fetch_one(&mut database.connect().await.unwrap()).await.unwrap();
    assert!(usize::try_from(rows).unwrap() >= seen[&201], "{rows} rows, {seen:?}");
}

#[tokio::test]
async fn orders_outlive_a_crash_of_the_database() {
    let broker = RabbitMq::shared().await;
    let (mut server, queue) = (Postgres::start().await, broker.queue());
    let database = server.database().await;
    let service = Service::start("billing-app", &[&queue.environment(), &database.environment()]).await;
    service.ready().await;
    let messages: Vec<_> = (0..2000)
        .map(|user| format!(r#"{{"user_id": {user}, "number_of_items": 1, "total_amount": "1.50"}}"#).into_bytes())
        .collect();
    let id = |user: usize| BasicProperties::default().with_message_id(format!("id-{user}").into());
    queue.publish(messages.iter().enumerate().map(|(user, message)| (&message[..], id(user)))).await;
    for _ in 0..2 {
        let before = orders(&database).await.len();
        eventually("some progress", 20, async || (orders(&database).await.len() > before).then_some(())).await;
        server.crash();
        let url = service.url("/health/ready");
        let unready = async || (reqwest::get(&url).await.unwrap().status() == 503).then_some(());
        eventually("billing is not ready", 10, unready).await;
        server.start_again().await;
    }
    eventually("all orders", 60, async || (orders(&database).await.len() >= 2000).then_some(())).await;
    service.ready().await;
    let mut users: Vec<u32> = orders(&database).await.into_iter().map(|row| row.0.parse().unwrap()).collect();
    users.sort_unstable();
    assert!(users.into_iter().eq(0..2000));
    eventually("an empty queue", 10, async || (queue.length().await == 0).then_some(())).await;
}
