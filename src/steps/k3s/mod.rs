//! From machines that answer to nodes that are ready, and what changes them later.

pub mod await_addons;
pub mod await_api;
pub mod await_nodes;
pub mod begin_cluster;
pub mod check_machines;
pub mod check_release;
pub mod drain;
pub mod fetch_k3s;
pub mod forget_rebuilt_nodes;
pub mod install_k3s;
pub mod join_agents;
pub mod join_servers;
mod list_nodes;
pub mod remove_nodes;
pub mod roll_nodes;
pub mod start_first_server;
mod unit;
pub mod write_kubeconfig;
