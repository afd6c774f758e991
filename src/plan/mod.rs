//! Pure data: what a configuration asks for, and what would have to change.

pub mod cluster;
pub mod k3s;
pub mod manifests;
pub mod resolve;

pub use resolve::resolve;
