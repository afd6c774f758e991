//! Screens and logs: pure functions of events.

pub mod failure;
pub mod findings;
mod json;
mod plain;
pub mod plan;
pub mod status;
pub mod timings;
mod tty;

pub use json::JsonLines;
pub use plain::{Plain, Verbosity};
pub use tty::Tty;
