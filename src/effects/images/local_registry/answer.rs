use std::{convert::Infallible, io, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::{
    REPOSITORY,
    uploads::{Upload, Uploads},
};

/// No manifest is larger, in bytes.
const MANIFEST: usize = 4 << 20;

type Answer = Response<Empty<Bytes>>;

/// Answers one request.
pub async fn answer(uploads: Arc<Uploads>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let said = tell(&uploads, request).await;
    Ok(said.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR)))
}

async fn tell(uploads: &Uploads, request: Request<Incoming>) -> io::Result<Answer> {
    let path = request.uri().path().to_owned();
    let Some(below) = path.strip_prefix("/v2/") else { return Ok(status(StatusCode::NOT_FOUND)) };
    let Some(below) = below.strip_prefix(REPOSITORY).and_then(|below| below.strip_prefix('/')) else {
        return Ok(status(if below.is_empty() { StatusCode::OK } else { StatusCode::NOT_FOUND }));
    };
    let words: Vec<_> = below.split('/').collect();
    match (request.method(), words.as_slice()) {
        (&Method::HEAD, ["blobs", digest]) => Ok(uploads.size(digest).map_or_else(
            || status(StatusCode::NOT_FOUND),
            |size| {
                with(status(StatusCode::OK), &[(header::CONTENT_LENGTH.as_str(), &size.to_string()), (DIGEST, digest)])
            },
        )),
        (&Method::POST, ["blobs", "uploads", ""]) => {
            let name = uploads.begin()?;
            Ok(accepted(&name, 0))
        }
        (&Method::PATCH, ["blobs", "uploads", name]) => {
            let Some(upload) = uploads.resume(name) else { return Ok(status(StatusCode::NOT_FOUND)) };
            let upload = receive(upload, request).await?;
            let answer = accepted(name, upload.size);
            uploads.pause(name, upload);
            Ok(answer)
        }
        (&Method::PUT, ["blobs", "uploads", name]) => {
            let Some(upload) = uploads.resume(name) else { return Ok(status(StatusCode::NOT_FOUND)) };
            let digest = digest(request.uri().query().unwrap_or_default());
            let upload = receive(upload, request).await?;
            Ok(match uploads.finish(upload, &digest)? {
                true => created(&format!("/v2/{REPOSITORY}/blobs/{digest}"), &digest),
                false => status(StatusCode::BAD_REQUEST),
            })
        }
        (&Method::PUT, ["manifests", _]) => {
            let body = Limited::new(request.into_body(), MANIFEST).collect().await.map_err(io::Error::other)?;
            let digest = uploads.keep_manifest(&body.to_bytes())?;
            Ok(created(&format!("/v2/{REPOSITORY}/manifests/{digest}"), &digest))
        }
        _ => Ok(status(StatusCode::NOT_FOUND)),
    }
}

/// Writes the rest of a blob, or as much as comes.
async fn receive(mut upload: Upload, request: Request<Incoming>) -> io::Result<Upload> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(io::Error::other)?.into_data() {
            upload.write(&bytes)?;
        }
    }
    Ok(upload)
}

fn digest(query: &str) -> String {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap_or_default();
    percent_decode_str(value).decode_utf8_lossy().into_owned()
}

pub const DIGEST: &str = "docker-content-digest";

fn accepted(name: &str, size: u64) -> Answer {
    let place = format!("/v2/{REPOSITORY}/blobs/uploads/{name}");
    let range = format!("0-{}", size.saturating_sub(1));
    with(status(StatusCode::ACCEPTED), &[("location", &place), ("docker-upload-uuid", name), ("range", &range)])
}

fn created(place: &str, digest: &str) -> Answer {
    with(status(StatusCode::CREATED), &[("location", place), (DIGEST, digest)])
}

fn status(code: StatusCode) -> Answer {
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = code;
    with(answer, &[("docker-distribution-api-version", "registry/2.0")])
}

fn with(mut answer: Answer, headers: &[(&'static str, &str)]) -> Answer {
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            answer.headers_mut().insert(*name, value);
        }
    }
    answer
}
