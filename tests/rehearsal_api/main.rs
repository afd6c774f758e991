//! The rehearsal's API as the real kubectl sees it, without controllers.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod apply;
mod change;
mod create;
mod delete;
mod discovery;
mod pods;
mod rehearsal;
#[path = "../support/mod.rs"]
mod support;
mod watch;
