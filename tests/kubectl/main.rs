//! The real kubectl on whole rehearsal clusters that the built binary made: controllers, scheduler, simulated kubelets.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod cluster;
mod faults;
mod jobs;
mod looking;
mod nodes;
mod refusals;
mod rollouts;
mod shipped;
mod stateful;
#[path = "../support/mod.rs"]
mod support;
