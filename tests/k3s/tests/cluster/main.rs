//! Servers and agents as processes on loopback addresses of their own, in temporary folders, with real requests.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod images;
mod joining;
mod machine;
mod restarts;
mod servers;
