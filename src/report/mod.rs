//! Screens and logs: pure functions of events.

pub mod failure;
pub mod findings;
mod json;
pub mod junit;
mod plain;
pub mod plan;
#[cfg(test)]
mod sample;
pub mod status;
mod throttle;
pub mod timings;
mod tty;
mod words;

pub use json::JsonLines;
pub use plain::{Plain, Verbosity};
pub use tty::{Look, Tty};
