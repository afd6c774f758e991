//! The inventory beside databases and replicas that come and go.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use sqlx::Connection;
use tokio::time::{Instant, sleep};

use crate::{postgres::Postgres, program::Service};

#[tokio::test]
async fn replicas_that_start_at_once_make_the_table_once() {
    let server = Postgres::shared().await;
    let environment = server.database().await.environment();
    let start = async || Service::start("inventory-app", &[&environment]).await;
    let (one, two, three) = tokio::join!(start(), start(), start());
    for service in [&one, &two, &three] {
        service.ready().await;
        let movie = json!({ "title": "seen by all" });
        let added = Client::new().post(service.url("/api/movies")).json(&movie).send().await.unwrap();
        assert_eq!(added.status(), 201);
    }
    let movies: Value = reqwest::get(one.url("/api/movies")).await.unwrap().json().await.unwrap();
    assert_eq!(movies.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_database_that_comes_later_is_waited_for() {
    let server = Postgres::shared().await;
    let database = server.database_to_be();
    let service = Service::start("inventory-app", &[&database.environment()]).await;
    sleep(Duration::from_millis(1500)).await;
    for path in ["/health/ready", "/api/movies"] {
        let answer = reqwest::get(service.url(path)).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
        let reason = answer.text().await.unwrap();
        assert!(reason.contains("does not exist"), "{reason}");
    }
    database.create().await;
    service.ready().await;
    assert_eq!(reqwest::get(service.url("/api/movies")).await.unwrap().status(), 200);
    let log = service.program.log();
    assert_eq!(log.matches("does not exist").count(), 1, "one line per change:\n{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[tokio::test]
async fn a_database_that_goes_is_a_503_and_comes_back() {
    let mut server = Postgres::start().await;
    let service = Service::start("inventory-app", &[&server.database().await.environment()]).await;
    service.ready().await;
    let movie = json!({ "title": "kept" });
    let add = async || Client::new().post(service.url("/api/movies")).json(&movie).send().await.unwrap();
    assert_eq!(add().await.status(), 201);
    server.crash();
    let began = Instant::now();
    let answer = add().await;
    assert_eq!(answer.status(), 503);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let reason = answer.text().await.unwrap();
    assert!(reason.contains("Connection refused"), "{reason}");
    assert_eq!(reqwest::get(service.url("/health/ready")).await.unwrap().status(), 503);
    assert_eq!(reqwest::get(service.url("/health/live")).await.unwrap().status(), 200);
    server.start_again().await;
    assert_eq!(add().await.status(), 201);
    service.ready().await;
}

#[tokio::test]
async fn a_request_that_is_here_at_the_end_is_answered() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let mut service = Service::start("inventory-app", &[&database.environment()]).await;
    service.ready().await;
    let mut connection = database.connect().await.unwrap();
    let mut lock = connection.begin().await.unwrap();
    sqlx::query("LOCK TABLE movies").execute(&mut *lock).await.unwrap();
    let url = service.url("/api/movies");
    let request = tokio::spawn({
        let url = url.clone();
        async move { Client::new().post(url).json(&json!({ "title": "slow" })).send().await.unwrap().status() }
    });
    sleep(Duration::from_millis(500)).await;
    let (ended, ()) = tokio::join!(service.terminate(), async {
        sleep(Duration::from_secs(1)).await;
        assert!(Client::new().get(&url).send().await.is_err_and(|error| error.is_connect()), "no new requests");
        lock.commit().await.unwrap();
    });
    assert!(ended.success(), "{ended}");
    assert_eq!(request.await.unwrap(), 201);
}

#[tokio::test]
async fn missing_settings_are_all_told() {
    let mut program = {
        let server = Postgres::shared().await;
        let mut environment = server.database().await.environment();
        environment.retain(|(name, _)| *name != "DATABASE_HOST");
        environment.push(("DATABASE_PORT", "many".into()));
        crate::program::run("inventory-app", crate::wait::free_port(), &environment)
    };
    assert_eq!(program.ended(10).await.code(), Some(2));
    let log = program.log();
    assert!(log.contains("DATABASE_HOST is not set; DATABASE_PORT is `many`"), "{log}");
}
