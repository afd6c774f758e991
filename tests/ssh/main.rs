//! SSH against real OpenSSH servers on loopback.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod login;
mod running;
mod server;
