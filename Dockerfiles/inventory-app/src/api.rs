//! The HTTP interface.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{HeaderName, Method, StatusCode, Uri, header::LOCATION},
    middleware::from_fn,
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    body,
    movie::{Draft, Movie, TITLE, check},
    problem::Problem,
    store::Store,
};

/// Room for 2,200 characters, whatever way they are escaped.
const LARGEST_BODY: usize = 64 * 1024;
const LARGEST_LIMIT: i64 = 1000;

type Shared = State<Arc<Store>>;
type Answer<T> = Result<T, Problem>;
type Id = Result<Path<i64>, PathRejection>;
type Body = Result<Json<Value>, JsonRejection>;

pub fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/api/movies", get(list).post(add).delete(clear))
        .route("/api/movies/{id}", get(show).put(replace).delete(remove))
        .route("/health/live", get(|| async { Json(json!({ "status": "live" })) }))
        .route("/health/ready", get(ready))
        .fallback(|uri: Uri| async move { Problem::new(StatusCode::NOT_FOUND, format!("there is no {}", uri.path())) })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} has no method {method}", uri.path()))
        })
        .layer(from_fn(|request, next| body::limit(LARGEST_BODY, request, next)))
        .with_state(store)
}

#[derive(Deserialize)]
#[serde(default)]
struct Filter {
    title: String,
    limit: i64,
    offset: i64,
}

impl Default for Filter {
    fn default() -> Self {
        Self { title: String::new(), limit: 100, offset: 0 }
    }
}

async fn list(State(store): Shared, filter: Result<Query<Filter>, QueryRejection>) -> Answer<Json<Vec<Movie>>> {
    let Query(Filter { title, limit, offset }) = filter?;
    if let Some(problem) = check("title", &title, TITLE) {
        return Err(Problem::bad_request(problem));
    }
    if !(0..=LARGEST_LIMIT).contains(&limit) || offset < 0 {
        return Err(Problem::bad_request(format!("`limit` is 0 to {LARGEST_LIMIT}, `offset` 0 or more")));
    }
    Ok(Json(store.list(&title, limit, offset).await?))
}

async fn show(State(store): Shared, id: Id) -> Answer<Json<Movie>> {
    let Path(id) = id?;
    found(id, store.get(id).await?)
}

async fn add(State(store): Shared, body: Body) -> Answer<(StatusCode, [(HeaderName, String); 1], Json<Movie>)> {
    let movie = store.add(&draft(body)?).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("/api/movies/{}", movie.id()))], Json(movie)))
}

async fn replace(State(store): Shared, id: Id, body: Body) -> Answer<Json<Movie>> {
    let Path(id) = id?;
    found(id, store.replace(id, &draft(body)?).await?)
}

async fn remove(State(store): Shared, id: Id) -> Answer<StatusCode> {
    let Path(id) = id?;
    if store.remove(id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::no_movie(id)) }
}

async fn clear(State(store): Shared) -> Answer<Json<Value>> {
    Ok(Json(json!({ "deleted": store.clear().await? })))
}

async fn ready(State(store): Shared) -> Answer<Json<Value>> {
    store.ready().await?;
    Ok(Json(json!({ "status": "ready" })))
}

fn draft(body: Body) -> Answer<Draft> {
    Draft::from_json(&body?.0).map_err(|problems| Problem::invalid(&problems))
}

fn found(id: i64, movie: Option<Movie>) -> Answer<Json<Movie>> {
    movie.map(Json).ok_or_else(|| Problem::no_movie(id))
}
