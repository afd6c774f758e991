//! Pure functions on Kubernetes objects: what the API server does to a value between the wire and the store.

pub mod apply;
pub mod defaults;
pub mod patch;
pub mod status;
pub mod table;
pub mod validate;
