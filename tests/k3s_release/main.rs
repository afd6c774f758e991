//! Releases of K3s, fetched over real HTTP from a server on loopback.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod doctor;
mod fetching;
mod place;
mod processes;
mod server;
mod trouble;
