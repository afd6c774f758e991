//! Request bodies.

use http::{HeaderMap, header};
use serde_json::Value;

use super::protobuf;
use crate::rehearsal::object::status::Status;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The longest body that is read, in bytes; the real server stops at 3 MiB too.
pub(super) const LIMIT: usize = 3 << 20;

/// Returns a body's media type without its parameters; JSON when none is given.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let value = value.split(';').next().unwrap_or_default().trim();
    if value.is_empty() { "application/json" } else { value }
}

/// Decodes an object sent as JSON or YAML, or as protobuf by `kubectl create`.
///
/// # Errors
/// 415 for other media types, 400 for a body that cannot be read.
pub(super) fn object(headers: &HeaderMap, body: &[u8]) -> Result<Value, Status> {
    match media_type(headers) {
        "application/json" => json(body),
        "application/yaml" => yaml(body),
        PROTOBUF => protobuf::decode(body).map_err(|why| {
            Status::unsupported_media_type(format!(
                "the rehearsal's API reads JSON and YAML, and of protobuf only the plain objects that `kubectl create` \
                 makes ({why}): write the object to a file (`--dry-run=client -o yaml` prints it) and use `kubectl \
                 apply -f FILE` or `kubectl create -f FILE`"
            ))
        }),
        other => Err(unknown_format(other, "application/json, application/yaml")),
    }
}

/// Refuses a media type, naming those that would do.
pub(super) fn unknown_format(given: &str, accepted: &str) -> Status {
    Status::unsupported_media_type(format!(
        "the body of the request was in an unknown format ({given}) - accepted media types include: {accepted}"
    ))
}

/// Decodes JSON.
pub(super) fn json(body: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(body)
        .map_err(|error| Status::bad_request(format!("couldn't get version/kind; json parse error: {error}")))
}

/// Decodes YAML, of which JSON is a part; numbers like `0644` are octal, as kubectl reads them.
pub(super) fn yaml(body: &[u8]) -> Result<Value, Status> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text =
        std::str::from_utf8(body).map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(media_type: &str, body: &str) -> Result<Value, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        object(&headers, body.as_bytes()).map_err(|status| status.code())
    }

    #[test]
    fn json_and_yaml_are_read_and_the_rest_is_refused() {
        assert_eq!(decode("application/json; charset=utf-8", "{\"a\": 1}").unwrap()["a"], 1);
        assert_eq!(decode("application/yaml", "a: 0644\n").unwrap()["a"], 420);
        assert_eq!(decode("application/json", "{"), Err(400));
        assert_eq!(decode("application/vnd.kubernetes.protobuf", "k8s"), Err(415));
        assert_eq!(decode("text/html", ""), Err(415));
    }
}
