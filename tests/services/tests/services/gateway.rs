//! The gateway in front of inventories that do what they should not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::Request,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use futures_util::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use crate::{
    stand_in::{StandIn, gateway, listen},
    wait::free_port,
};

const PIECE: usize = 1 << 20;
const PIECES: usize = 64;

#[tokio::test]
async fn a_large_answer_passes_without_being_held() {
    let permits = Arc::new(Semaphore::new(1));
    let answer = {
        let permits = Arc::clone(&permits);
        move || async move {
            let pieces = stream::iter(0..PIECES).then(move |_| {
                let permits = Arc::clone(&permits);
                async move {
                    permits.acquire().await.unwrap().forget();
                    Ok::<_, std::io::Error>(Bytes::from(vec![7; PIECE]))
                }
            });
            Body::from_stream(pieces).into_response()
        }
    };
    let inventory = StandIn::serve(Router::new().route("/api/movies", get(answer))).await;
    let gateway = gateway(&inventory.url).await;
    let mut answer = reqwest::get(gateway.url("/api/movies")).await.unwrap();
    let mut received = 0;
    while received < PIECE {
        received += timeout(Duration::from_secs(5), answer.chunk()).await.unwrap().unwrap().unwrap().len();
    }
    permits.add_permits(PIECES - 1);
    while let Some(piece) = answer.chunk().await.unwrap() {
        received += piece.len();
    }
    assert_eq!(received, PIECE * PIECES);
    assert!(peak(gateway.program.id()) < 40_000, "{} kB", peak(gateway.program.id()));
}

#[tokio::test]
async fn a_large_request_passes_without_being_held() {
    let count = |request: Request| async move {
        let mut body = request.into_body().into_data_stream();
        let mut received = 0;
        while let Some(piece) = body.next().await {
            received += piece.unwrap().len();
        }
        received.to_string()
    };
    let inventory = StandIn::serve(Router::new().route("/api/movies", any(count))).await;
    let gateway = gateway(&inventory.url).await;
    let pieces = stream::iter(0..PIECES).map(|_| Ok::<_, std::io::Error>(vec![7; PIECE]));
    let body = reqwest::Body::wrap_stream(pieces);
    let answer = Client::new().post(gateway.url("/api/movies")).body(body).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), (PIECE * PIECES).to_string());
    assert!(peak(gateway.program.id()) < 40_000, "{} kB", peak(gateway.program.id()));
}

/// Returns the largest memory that a process had, in kB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_inventory_that_is_not_there_is_a_502() {
    let gateway = gateway(&format!("http://127.0.0.1:{}", free_port())).await;
    let answer = reqwest::get(gateway.url("/api/movies")).await.unwrap();
    assert_eq!(answer.status(), 502);
    let reason = answer.json::<Value>().await.unwrap()["error"].to_string();
    assert!(reason.contains("cannot be reached") && reason.contains("Connection refused"), "{reason}");
    let ready = reqwest::get(gateway.url("/ready")).await.unwrap();
    assert_eq!(ready.status(), 200);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["status"], "degraded");
    assert!(ready["inventory"].as_str().unwrap().contains("Connection refused"), "{ready}");
    assert!(ready["broker"].as_str().unwrap().contains("RabbitMQ"), "{ready}");
}

#[tokio::test]
async fn half_an_answer_is_a_502() {
    let (listener, url) = listen().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let server = tokio::spawn({
        let asked = Arc::clone(&asked);
        async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::Relaxed);
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[{\"id\": 1").await;
            }
        }
    });
    let gateway = gateway(&url).await;
    let answer = reqwest::get(gateway.url("/api/movies")).await.unwrap();
    assert_eq!(answer.status(), 502);
    let reason = answer.text().await.unwrap();
    assert!(reason.contains("broke off its answer"), "{reason}");
    assert_eq!(asked.swap(0, Ordering::Relaxed), 2, "a GET is tried twice");
    let answer = Client::new().delete(gateway.url("/api/movies")).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "what changes something is tried once");
    server.abort();
}

#[tokio::test]
async fn an_inventory_that_does_not_answer_is_a_504() {
    let inventory = StandIn::serve(Router::new().route("/api/movies", get(std::future::pending::<String>))).await;
    let gateway = gateway(&inventory.url).await;
    let began = Instant::now();
    let answer = reqwest::get(gateway.url("/api/movies")).await.unwrap();
    assert_eq!(answer.status(), 504);
    assert!((14..18).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let reason = answer.text().await.unwrap();
    assert!(reason.contains("did not answer within 15 s"), "{reason}");
}

#[tokio::test]
async fn a_request_whose_body_does_not_come_is_ended() {
    let count = |body: Bytes| async move { body.len().to_string() };
    let inventory = StandIn::serve(Router::new().route("/api/movies", any(count))).await;
    let gateway = gateway(&inventory.url).await;
    let ask = async |path: &str| {
        let address = gateway.url("").replace("http://", "");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n");
        stream.write_all((head + "content-length: 100\r\nconnection: close\r\n\r\n{").as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(Duration::from_secs(14), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    };
    let (movies, billing) = tokio::join!(ask("/api/movies"), ask("/api/billing"));
    assert!(movies.starts_with("HTTP/1.1 408") && movies.contains("does not come"), "{movies}");
    assert!(billing.starts_with("HTTP/1.1 408") && billing.contains("does not come"), "{billing}");
}

#[tokio::test]
async fn requests_pass_with_an_id_and_without_what_is_of_one_connection() {
    let echo = |request: Request| async move {
        let text = |headers: &HeaderMap| -> Value {
            headers.iter().map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap()))).collect()
        };
        let seen = json!({ "uri": request.uri().to_string(), "headers": text(request.headers()) });
        ([("connection", "x-hop"), ("x-hop", "1"), ("x-kept", "1")], Json(seen)).into_response() as Response
    };
    let inventory = StandIn::serve(Router::new().fallback(any(echo))).await;
    let gateway = gateway(&inventory.url).await;
    let ask = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.unwrap();
        let headers = answer.headers().clone();
        (headers, answer.json::<Value>().await.unwrap())
    };
    let client = Client::new();
    let request = client.get(gateway.url("/api/movies/7?a=b%20c")).header("connection", "x-own").header("x-own", "1");
    let (headers, seen) = ask(request.header("x-request-id", "my-id").header("authorization", "kept")).await;
    assert_eq!(seen["uri"], "/api/movies/7?a=b%20c");
    assert_eq!(seen["headers"]["x-request-id"], "my-id");
    assert_eq!(seen["headers"]["authorization"], "kept");
    assert_eq!(seen["headers"]["host"].as_str().unwrap(), inventory.url.trim_start_matches("http://"));
    assert_eq!(seen["headers"]["x-own"], Value::Null);
    assert_eq!(
        (headers.get("x-hop"), &headers["x-kept"], &headers["x-request-id"]),
        (None, &"1".parse().unwrap(), &"my-id".parse().unwrap())
    );
    let (headers, seen) = ask(client.get(gateway.url("/api/movies/"))).await;
    assert_eq!(seen["uri"], "/api/movies");
    assert_eq!(headers["x-request-id"].to_str().unwrap(), seen["headers"]["x-request-id"].as_str().unwrap());
    assert_eq!(headers["x-request-id"].len(), 36);
}

#[tokio::test]
async fn a_request_that_is_here_at_the_end_is_answered() {
    let slow = || async {
        sleep(Duration::from_secs(2)).await;
        "late"
    };
    let inventory = StandIn::serve(Router::new().route("/api/movies", get(slow))).await;
    let mut gateway = gateway(&inventory.url).await;
    let request = tokio::spawn(reqwest::get(gateway.url("/api/movies")));
    sleep(Duration::from_millis(500)).await;
    let ended = gateway.terminate().await;
    assert!(ended.success(), "{ended}");
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "late");
}
