//! A stand-in for the `k3s` binary: what an installer can see of a real K3s, around the rehearsal's Kubernetes API.
//!
//! Flags, environment, files, log lines, units and waits are those of K3s v1.33, read from its sources and its
//! documentation; no container runs. Set `K3S_STAND_IN_PACE=fast` to wait a tenth of what a real one takes, and
//! `K3S_STAND_IN_ROOT=DIR` to keep what it writes to the host below a folder.

#![allow(clippy::disallowed_methods, reason = "a program of its own: the engine's rules are not its")]

pub mod agent;
pub mod cluster_access;
pub mod config;
pub mod faults;
pub mod http_client;
pub mod images;
pub mod keys;
pub mod kubeconfig;
pub mod kubelet;
pub mod leftovers;
pub mod log;
pub mod members;
pub mod node_facts;
pub mod node_password;
pub mod pace;
pub mod paths;
pub mod peers;
pub mod program;
pub mod server;
pub mod snapshots;
pub mod supervisor;
pub mod tls;
pub mod token;
pub mod version;
