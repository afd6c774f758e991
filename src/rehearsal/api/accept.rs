//! What shape of answer a client asks for.

use http::{HeaderMap, header};

/// A representation of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As stored.
    Object,
    /// `meta.k8s.io/v1` Table, as kubectl prints.
    Table,
    /// `meta.k8s.io/v1` PartialObjectMetadata.
    Metadata,
}

/// Returns the shape that an `Accept` header prefers. Everything else, protobuf included, is answered with JSON.
pub(super) fn shape(headers: &HeaderMap) -> Shape {
    let accepted = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).find_map(media_range).unwrap_or(Shape::Object)
}

fn media_range(range: &str) -> Option<Shape> {
    let mut parts = range.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "*/*" | "application/*") {
        return None;
    }
    let mut shape = Shape::Object;
    for parameter in parts {
        match parameter {
            "as=Table" => shape = Shape::Table,
            "as=PartialObjectMetadata" | "as=PartialObjectMetadataList" => shape = Shape::Metadata,
            _ if parameter.starts_with("as=") => return None,
            // Only the v1 of both is served.
            "v=v1beta1" => return None,
            _ => {}
        }
    }
    Some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> Shape {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        shape(&headers)
    }

    #[test]
    fn the_first_understood_range_decides() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(of(kubectl), Shape::Table);
        assert_eq!(of("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"), Shape::Object);
        assert_eq!(of("application/vnd.kubernetes.protobuf,application/json"), Shape::Object);
        assert_eq!(of("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"), Shape::Metadata);
        assert_eq!(of("application/vnd.kubernetes.protobuf"), Shape::Object);
    }
}
