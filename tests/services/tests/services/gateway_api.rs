//! What the gateway offers besides passing on: its description, its figures, and refusals.

use std::path::Path;

use axum::Router;
use reqwest::{Client, Method, header::CONTENT_TYPE};
use serde_json::Value;

use crate::{
    program::Service,
    stand_in::{StandIn, gateway},
};

async fn start() -> (Service, StandIn) {
    let inventory = StandIn::serve(Router::new().fallback(|| async { "[]" })).await;
    (gateway(&inventory.url).await, inventory)
}

#[tokio::test]
async fn what_is_described_answers() {
    let (gateway, _inventory) = start().await;
    let document: Value = reqwest::get(gateway.url("/openapi.json")).await.unwrap().json().await.unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let url = gateway.url(&path.replace("{id}", "1"));
            let answer = Client::new().request(method.clone(), url).send().await.unwrap();
            let status = answer.status().as_u16();
            assert!(![404, 405].contains(&status), "{method} {path}: {status}");
            let described = operation["responses"].get(status.to_string()).is_some();
            // The stand-in says 200 to everything.
            assert!(described || path.starts_with("/api/movies"), "{method} {path}: {status} is not described");
        }
    }
}

#[tokio::test]
async fn what_answers_is_described() {
    let (gateway, _inventory) = start().await;
    let document: Value = reqwest::get(gateway.url("/openapi.json")).await.unwrap().json().await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Dockerfiles/api-gateway/src/router.rs");
    let source = std::fs::read_to_string(folder).unwrap();
    let routes: Vec<_> = source.split(".route(").skip(1).map(|rest| rest.split('"').nth(1).unwrap()).collect();
    assert!(routes.len() >= 10, "{routes:?}");
    for route in routes {
        let described = route.replace("{*path}", "{id}");
        assert!(document["paths"].get(&described).is_some(), "{described} is not in openapi.json");
    }
    let page = reqwest::get(gateway.url("/")).await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let page = page.text().await.unwrap();
    assert!(page.contains("api/movies") && !page.contains("http://") && !page.contains("https://"));
}

#[tokio::test]
async fn requests_are_counted() {
    let (gateway, _inventory) = start().await;
    for path in ["/api/movies", "/api/movies/1", "/api/movies/2", "/nothing"] {
        reqwest::get(gateway.url(path)).await.unwrap();
    }
    let invented = Method::from_bytes(b"BREW").unwrap();
    Client::new().request(invented, gateway.url("/health")).send().await.unwrap();
    let answer = reqwest::get(gateway.url("/metrics")).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    for line in [
        r#"http_requests_total{method="GET",route="/api/movies",status="200"} 1"#,
        r#"http_requests_total{method="GET",route="/api/movies/{*path}",status="200"} 2"#,
        r#"http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"http_requests_total{method="other",route="/health",status="405"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/api/movies/{*path}"} 2"#,
        "http_requests_in_flight 1",
        r#"billing_messages_total{outcome="published"} 0"#,
        r#"billing_messages_total{outcome="failed"} 0"#,
    ] {
        assert!(text.lines().any(|seen| seen == line), "no {line} in:\n{text}");
    }
}

#[tokio::test]
async fn orders_that_are_wrong_are_refused_with_every_reason() {
    let (gateway, _inventory) = start().await;
    let large = format!(r#"{{"user_id": "{}"}}"#, "x".repeat(20_000));
    let json = "application/json";
    for (kind, body, status, reason) in [
        (json, "{", 400, "EOF"),
        (json, "", 400, "EOF"),
        ("text/plain", "{}", 415, "application/json"),
        (json, "[]", 422, "an order is a JSON object"),
        (json, "{}", 422, "`user_id` is missing; `number_of_items` is missing; `total_amount` is missing"),
        (json, r#"{"user_id": "1", "number_of_items": "x", "total_amount": "-1"}"#, 422, "whole number from 1"),
        (json, r#"{"user_id": "1", "number_of_items": 0, "total_amount": 1e400}"#, 400, "number out of range"),
        (json, r#"{"user_id": "1", "number_of_items": true, "total_amount": 1}"#, 422, "must be a number or a string"),
        (json, r#"{"user_id": "a\u0000", "number_of_items": 1, "total_amount": 1}"#, 422, "printable"),
        (json, &large, 413, "larger than 16384 bytes"),
    ] {
        let request = Client::new().post(gateway.url("/api/billing/")).header(CONTENT_TYPE, kind);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let (seen, answer) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
        let told = answer["error"].as_str().unwrap();
        assert!(seen == status && told.contains(reason), "{body}: {seen} {told}");
    }
    let answer = reqwest::get(gateway.url("/api/billing")).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"POST".parse().unwrap()));
}
