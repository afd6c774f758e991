//! The EC2 client and the `ec2` provider against `moto`, an EC2 API of real HTTP with signatures and IAM switched on.
//! `ORCHESTRATOR_MOTO` names its program, `moto_server`. Machines of the rig (`tests/rig`) play the instances.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "a test")]

mod account;
mod client;
mod cluster;
mod commands;
#[path = "../hosts/docker.rs"]
mod docker;
mod dropped;
mod expiry;
mod figures;
mod hypervisor;
mod instance;
mod killed;
mod life_cycle;
#[path = "../hosts/machine.rs"]
#[allow(dead_code, reason = "shared")]
mod machine;
mod moto;
mod project;
mod proxy;
#[path = "../command/ran.rs"]
#[allow(dead_code, reason = "shared")]
mod ran;
#[path = "../hosts/release.rs"]
#[allow(dead_code, reason = "shared")]
mod release;
#[path = "../command/running.rs"]
#[allow(dead_code, reason = "shared")]
mod running;
mod sweep;
mod trust;
mod user_data;
