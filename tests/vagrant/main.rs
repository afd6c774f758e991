//! Drives the built binary against real virtual machines: Vagrant with libvirt, emulated (`tests/vagrant-rig`), which run a
//! stand-in for K3s (`tests/k3s`).

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "a test")]

mod change;
mod computer;
mod kill;
mod life_cycle;
mod lost;
mod project;
#[path = "../command/ran.rs"]
#[allow(dead_code, reason = "shared")]
mod ran;
mod refusals;
#[path = "../hosts/release.rs"]
#[allow(dead_code, reason = "shared")]
mod release;
mod rig;
#[path = "../command/running.rs"]
#[allow(dead_code, reason = "shared")]
mod running;
mod safety;
mod virtualbox;
