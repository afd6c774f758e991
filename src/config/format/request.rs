//! Requests of checks, what they keep of the answer and by which names.

use super::{Complaint, Format};

/// A request to a Service: `POST api-gateway:3000/api/movies`.
pub const HTTP_REQUEST: Format = Format {
    name: "http-request",
    pattern: "^(GET|HEAD|POST|PUT|PATCH|DELETE) [a-z0-9]([a-z0-9-]*[a-z0-9])?(:[a-z0-9-]+)?/\\S*$",
    example: "GET api-gateway/api/movies",
    check: |text| HttpRequest::parse(text).map(drop),
};

/// A JSON pointer (RFC 6901).
pub const JSON_POINTER: Format =
    Format { name: "json-pointer", pattern: "^(/.*)?$", example: "/id", check: json_pointer };

/// What stands between braces for something that is known only when a check runs.
pub const PLACEHOLDER: Format =
    Format { name: "placeholder", pattern: "^[a-z][a-z0-9_]*$", example: "id", check: placeholder };

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const RULE: &str = "a method, a Service and a path, such as `GET api-gateway/api/movies`";

/// A request as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpRequest<'t> {
    pub method: &'t str,
    pub service: &'t str,
    /// A number, or the name that the Service gives it.
    pub port: Option<&'t str>,
    /// With what follows `?`, without the first `/`.
    pub path: &'t str,
}

impl<'t> HttpRequest<'t> {
    /// Reads a request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &'t str) -> Result<Self, Complaint> {
        let (method, rest) = text.split_once(' ').ok_or_else(|| Complaint::new("is no request").hint(RULE))?;
        if !METHODS.contains(&method) {
            return Err(Complaint::new("begins with no HTTP method").hint(format!("one of {}", METHODS.join(", "))));
        }
        let (place, path) = rest.split_once('/').ok_or_else(|| Complaint::new("has no path").hint(RULE))?;
        let (service, port) = place.split_once(':').map_or((place, None), |(service, port)| (service, Some(port)));
        let sound = |name: &str| {
            let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            !name.is_empty() && name.chars().all(sound)
        };
        if !sound(service) || service.starts_with('-') || service.ends_with('-') || !port.is_none_or(sound) {
            return Err(Complaint::new("names no Service").hint(RULE));
        }
        if path.contains(char::is_whitespace) {
            return Err(Complaint::new("has a space in its path").hint("write it as `%20`"));
        }
        Ok(Self { method, service, port, path })
    }

    /// Whether it only looks.
    pub fn looks(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }
}

fn json_pointer(text: &str) -> Result<(), Complaint> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(());
    }
    Err(Complaint::new("is no JSON pointer").hint(format!("it begins with a slash: `/{}`", text.replace('.', "/"))))
}

fn placeholder(text: &str) -> Result<(), Complaint> {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(sound) {
        return Ok(());
    }
    Err(Complaint::new("cannot stand between braces").hint("lower-case letters, digits and `_`, a letter first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read() {
        let request = HttpRequest::parse("POST shop:http/api/items?all=1").unwrap();
        let expected = HttpRequest { method: "POST", service: "shop", port: Some("http"), path: "api/items?all=1" };
        assert_eq!(request, expected);
        assert_eq!(HttpRequest::parse("GET shop/").unwrap().path, "");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "",
            "GET",
            "GET shop",
            "get shop/",
            "FETCH shop/",
            "GET http://shop/",
            "GET Shop/",
            "GET shop:/",
            "GET s/a b",
        ] {
            assert!(HttpRequest::parse(text).is_err(), "{text:?}");
        }
    }
}
