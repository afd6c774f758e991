//! Drives the built binary as its users do: in a folder of its own, with a cleared environment, on the rehearsal.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod checks;
mod clusters;
mod deploy;
mod faults;
mod interrupt;
mod kill;
mod life_cycle;
mod pull_secret;
mod ran;
mod reach;
mod refusals;
mod running;
mod sandbox;
mod screens;
