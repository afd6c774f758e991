//! SSH against real OpenSSH servers on loopback.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod bastions;
mod config;
mod connections;
mod facts;
mod forwarding;
mod host_keys;
mod login;
mod running;
mod server;
mod shell;
mod sudo;
mod uploads;
