//! Pure functions on Kubernetes objects: what the API server does to a value between the wire and the store.

pub mod status;
