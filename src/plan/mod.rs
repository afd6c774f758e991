//! Pure data: what a configuration asks for, and what would have to change.

pub mod cluster;
pub mod diagnosis;
pub mod manifests;
pub mod rollout;
pub mod selector;
pub mod stack;
