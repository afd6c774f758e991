//! The inventory's API.

use reqwest::{Client, Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::{postgres::Postgres, program::Service};

async fn start() -> (Service, std::sync::Arc<Postgres>) {
    let server = Postgres::shared().await;
    let service = Service::start("inventory-app", &[&server.database().await.environment()]).await;
    service.ready().await;
    (service, server)
}

async fn list(service: &Service, query: &str) -> Vec<String> {
    let movies: Value = reqwest::get(service.url("/api/movies") + query).await.unwrap().json().await.unwrap();
    movies.as_array().unwrap().iter().map(|movie| movie["title"].as_str().unwrap().to_owned()).collect()
}

async fn add(service: &Service, title: &str) -> Value {
    let answer = Client::new().post(service.url("/api/movies/")).json(&json!({ "title": title })).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn movies_are_added_shown_replaced_and_deleted() {
    let (service, _server) = start().await;
    let client = Client::new();
    let movie = json!({ "title": "A new movie", "description": "Very short description" });
    let answer = client.post(service.url("/api/movies/")).json(&movie).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let place = answer.headers()["location"].to_str().unwrap().to_owned();
    let made: Value = answer.json().await.unwrap();
    assert_eq!(made, json!({ "id": 1, "title": "A new movie", "description": "Very short description" }));

    assert_eq!(reqwest::get(service.url(&place)).await.unwrap().json::<Value>().await.unwrap(), made);
    let replaced = client.put(service.url(&place)).json(&json!({ "title": "Ran" })).send().await.unwrap();
    assert_eq!(replaced.status(), 200);
    let expected = json!([{ "id": 1, "title": "Ran", "description": null }]);
    assert_eq!(reqwest::get(service.url("/api/movies/")).await.unwrap().json::<Value>().await.unwrap(), expected);

    assert_eq!(client.delete(service.url(&place)).send().await.unwrap().status(), 204);
    assert_eq!(client.delete(service.url(&place)).send().await.unwrap().status(), 404);
    add(&service, "a").await;
    add(&service, "b").await;
    let cleared = client.delete(service.url("/api/movies")).send().await.unwrap();
    assert_eq!(cleared.json::<Value>().await.unwrap(), json!({ "deleted": 2 }));
    assert!(list(&service, "").await.is_empty());
}

#[tokio::test]
async fn titles_are_searched_as_they_are_written() {
    let (service, _server) = start().await;
    for title in ["100% Wolf", "1000 Wolves", "snake_case", "snakeXcase", "ÉTÉ 85"] {
        add(&service, title).await;
    }
    assert_eq!(list(&service, "?title=wol").await, ["100% Wolf", "1000 Wolves"]);
    assert_eq!(list(&service, "?title=0%25").await, ["100% Wolf"]);
    assert_eq!(list(&service, "?title=e_c").await, ["snake_case"]);
    assert_eq!(list(&service, "?title=%C3%A9t%C3%A9").await, ["ÉTÉ 85"]);
    assert_eq!(list(&service, "?title=").await.len(), 5);
    assert_eq!(list(&service, "?limit=2&offset=1").await, ["1000 Wolves", "snake_case"]);
    assert_eq!(list(&service, "?title=x&offset=9").await, [""; 0]);
}

#[tokio::test]
async fn a_list_has_a_hundred_movies_unless_more_are_asked_for() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let service = Service::start("inventory-app", &[&database.environment()]).await;
    service.ready().await;
    let fill = "INSERT INTO movies (title) SELECT 'movie ' || n FROM generate_series(1, 150) n";
    sqlx::query(fill).execute(&mut database.connect().await.unwrap()).await.unwrap();
    assert_eq!(list(&service, "").await.len(), 100);
    assert_eq!(list(&service, "?limit=1000").await.len(), 150);
}

#[tokio::test]
async fn sql_in_a_title_is_a_title() {
    let (service, _server) = start().await;
    let title = "Robert'); DROP TABLE movies; --";
    add(&service, title).await;
    assert_eq!(list(&service, "?title=%27%29%3B+DROP+TABLE+movies%3B+--").await, [title]);
    assert_eq!(list(&service, "?title=%27+OR+1%3D1+--").await, [""; 0]);
    assert_eq!(list(&service, "").await, [title]);
}

#[tokio::test]
async fn what_is_refused_says_why_and_changes_nothing() {
    let (service, _server) = start().await;
    let long = format!(r#"{{"title": "{}", "description": "{}"}}"#, "x".repeat(201), "x".repeat(2001));
    let large = format!(r#"{{"title": "{}"}}"#, "x".repeat(5 << 20));
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let (movies, movie) = ("/api/movies", "/api/movies/1");
    add(&service, "the only one").await;
    for (method, path, kind, body, status, reason) in [
        ("POST", movies, json, "{", 400, "EOF"),
        ("POST", movies, json, "", 400, "EOF"),
        ("POST", movies, json, "\u{1}\u{2}", 400, "expected value"),
        ("POST", movies, form, "title=a", 415, "application/json"),
        ("POST", movies, json, "[]", 422, "JSON object"),
        ("POST", movies, json, "{}", 422, "`title` is missing"),
        ("POST", movies, json, r#"{"title": 7, "description": {}}"#, 422, "string; `description` must be a string"),
        ("POST", movies, json, r#"{"title": "  "}"#, 422, "`title` is empty"),
        ("POST", movies, json, r#"{"title": "a\u0000b"}"#, 422, "NUL"),
        ("POST", movies, json, &long, 422, "200 are allowed; `description` has 2001 characters"),
        ("POST", movies, json, &large, 413, "larger than 65536 bytes"),
        ("PUT", movie, json, r#"{"description": "no title"}"#, 422, "`title` is missing"),
        ("PUT", "/api/movies/99", json, r#"{"title": "a"}"#, 404, "no movie with the id 99"),
        ("GET", "/api/movies/99", json, "", 404, "no movie with the id 99"),
        ("GET", "/api/movies/one", json, "", 400, "whole number"),
        ("DELETE", "/api/movies/99", json, "", 404, "no movie with the id 99"),
        ("DELETE", "/api/movies/1%20OR%201=1", json, "", 400, "whole number"),
        ("GET", "/api/movies?limit=many", json, "", 400, "limit"),
        ("GET", "/api/movies?limit=1001", json, "", 400, "0 to 1000"),
        ("GET", "/api/movies?offset=-1", json, "", 400, "0 or more"),
        ("GET", "/api/movies?title=%00", json, "", 400, "NUL"),
        ("PATCH", movies, json, "{}", 405, "no method PATCH"),
        ("PUT", movies, json, "{}", 405, "no method PUT"),
        ("GET", "/api/actors", json, "", 404, "there is no /api/actors"),
    ] {
        let request = Client::new().request(Method::from_bytes(method.as_bytes()).unwrap(), service.url(path));
        let answer = request.header(CONTENT_TYPE, kind).body(body.to_owned()).send().await.unwrap();
        let (seen, answer) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
        let told = answer["error"].as_str().unwrap();
        assert!(seen == status && told.contains(reason), "{method} {path}: {seen} {told}");
    }
    assert_eq!(list(&service, "").await, ["the only one"]);
}
