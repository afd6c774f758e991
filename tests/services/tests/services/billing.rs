//! What billing does with messages that somebody else than the gateway wrote.

use lapin::BasicProperties;

use crate::{
    course::orders,
    postgres::{Database, Postgres},
    program::Service,
    rabbitmq::{Queue, RabbitMq},
    wait::eventually,
};

async fn start() -> (Service, Database, Queue, impl Drop) {
    let (server, broker) = tokio::join!(Postgres::shared(), RabbitMq::shared());
    let (database, queue) = (server.database().await, broker.queue());
    let service = Service::start("billing-app", &[&queue.environment(), &database.environment()]).await;
    service.ready().await;
    (service, database, queue, Held(server, broker))
}

/// The servers, for as long as a test needs them.
struct Held(#[expect(unused)] std::sync::Arc<Postgres>, #[expect(unused)] std::sync::Arc<RabbitMq>);

impl Drop for Held {
    fn drop(&mut self) {}
}

fn with_id(id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(id.into())
}

fn order(user: &str) -> Vec<u8> {
    format!(r#"{{"user_id": "{user}", "number_of_items": 1, "total_amount": 1}}"#).into_bytes()
}

#[tokio::test]
async fn what_is_no_order_is_put_aside_with_the_reason() {
    let (service, database, queue, _held) = start().await;
    let short_lived = with_id("bad").with_expiration("1".into()).with_content_type("text/plain".into());
    let (good, nul) = (order("good"), br#"{"user_id":"a\u0000","number_of_items":1,"total_amount":1}"#);
    queue
        .publish([
            (b"not JSON" as &[u8], short_lived),
            (b"\xff\xfe", BasicProperties::default()),
            (b"{\"user_id\": \"1\"}", BasicProperties::default()),
            (nul, BasicProperties::default()),
            (&good, BasicProperties::default()),
        ])
        .await;
    eventually("the good order", 20, async || (orders(&database).await.len() == 1).then_some(())).await;
    let dead = queue.dead();
    eventually("four dead letters", 20, async || (dead.length().await == 4).then_some(())).await;
    let first = dead.take().await.unwrap();
    assert_eq!(first.data, b"not JSON");
    assert_eq!(first.properties.message_id().as_ref().unwrap().as_str(), "bad");
    assert_eq!((first.properties.delivery_mode(), first.properties.expiration()), (&Some(2), &None));
    let reason = |message: &lapin::message::BasicGetMessage| {
        let headers = message.properties.headers().clone().unwrap();
        headers.inner()["x-reason"].as_long_string().unwrap().to_string()
    };
    assert!(reason(&first).starts_with("not JSON: expected"), "{}", reason(&first));
    dead.take().await.unwrap();
    let third = dead.take().await.unwrap();
    assert_eq!(reason(&third), "`number_of_items` is missing; `total_amount` is missing");
    assert_eq!(queue.length().await, 0);
    let log = service.program.log();
    assert_eq!(log.matches("a message went to the queue").count(), 4, "{log}");
}

#[tokio::test]
async fn a_message_counts_once_by_its_id() {
    let (_service, database, queue, _held) = start().await;
    let (one, two) = (order("one"), order("two"));
    queue.publish([(&one[..], with_id("a")), (&one, with_id("a")), (&one, with_id("b")), (&two, with_id("c"))]).await;
    eventually("the last order", 20, async || orders(&database).await.iter().find(|row| row.0 == "two").cloned()).await;
    let users: Vec<_> = orders(&database).await.into_iter().map(|row| row.0).collect();
    assert_eq!(users, ["one", "one", "two"]);
}

#[tokio::test]
async fn messages_that_were_published_by_hand_all_count() {
    let (_service, database, queue, _held) = start().await;
    let (same, last) = (order("same"), order("last"));
    let none = BasicProperties::default;
    queue.publish([(&same[..], none()), (&same, none()), (&same, with_id("")), (&last, none())]).await;
    eventually("the last order", 20, async || orders(&database).await.iter().find(|row| row.0 == "last").cloned())
        .await;
    assert_eq!(orders(&database).await.len(), 4);
}

#[tokio::test]
async fn a_message_without_an_id_that_comes_again_counts_by_its_text() {
    let (mut service, database, queue, _held) = start().await;
    let (known, new) = (order("known"), order("new"));
    queue.publish([(&known[..], BasicProperties::default())]).await;
    eventually("the first order", 20, async || (orders(&database).await.len() == 1).then_some(())).await;
    assert!(service.terminate().await.success());
    queue.publish([(&known[..], BasicProperties::default()), (&new, BasicProperties::default())]).await;
    queue.take_and_give_back().await;
    service.start_again().await;
    eventually("the new order", 20, async || orders(&database).await.iter().find(|row| row.0 == "new").cloned()).await;
    assert_eq!(orders(&database).await.len(), 2);
    assert!(service.program.log().contains("was recorded before"), "{}", service.program.log());
}

#[tokio::test]
async fn a_failing_insert_is_tried_again_and_a_refused_one_is_put_aside() {
    let (_service, database, queue, _held) = start().await;
    let mut connection = database.connect().await.unwrap();
    let rename = "ALTER TABLE orders RENAME TO elsewhere";
    sqlx::query(rename).execute(&mut connection).await.unwrap();
    let (first, second) = (order("first"), order("second"));
    queue.publish([(&first[..], with_id("1"))]).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    sqlx::query("ALTER TABLE elsewhere RENAME TO orders").execute(&mut connection).await.unwrap();
    eventually("the first order", 20, async || (orders(&database).await.len() == 1).then_some(())).await;
    sqlx::query("ALTER TABLE orders ADD CHECK (user_id <> 'second')").execute(&mut connection).await.unwrap();
    queue.publish([(&second[..], with_id("2"))]).await;
    let dead = queue.dead();
    let letter = eventually("a dead letter", 20, async || dead.take().await).await;
    assert_eq!(letter.data, second);
    assert_eq!(orders(&database).await.len(), 1);
}
