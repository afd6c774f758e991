//! Pure data: what a configuration asks for, and what would have to change.

pub mod actions;
pub mod checks;
pub mod cluster;
pub mod diagnosis;
pub mod images;
pub mod k3s;
pub mod manifests;
pub mod preflight;
pub mod pull_secret;
pub mod quorum;
pub mod real;
pub mod resolve;
pub mod rollout;
pub mod selector;
pub mod stack;
pub mod status;
pub mod upgrade;
pub mod urls;

pub use resolve::resolve;
