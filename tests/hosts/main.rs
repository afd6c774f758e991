//! Drives the built binary against real machines: containers with systemd and OpenSSH (`tests/rig`) that run a stand-in
//! for K3s (`tests/k3s`), or a real one (`ORCHESTRATOR_TEST_K3S`; then with `--skip stand_in`).

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "a test")]

mod change;
mod diagnosis;
mod docker;
mod images;
mod kill;
mod lab;
mod life_cycle;
mod machine;
#[path = "../command/ran.rs"]
#[allow(dead_code, reason = "shared")]
mod ran;
mod refusals;
mod release;
#[path = "../command/running.rs"]
#[allow(dead_code, reason = "shared")]
mod running;
mod secrets;
mod traces;
