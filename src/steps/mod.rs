//! One verb per file: checks first, acts second, tells what it did.

pub mod await_addons;
pub mod await_nodes;
pub mod check_provider;
pub mod create_machines;
pub mod deliver_images;
pub mod deploy;
pub mod destroy_machines;
pub mod join_nodes;
pub mod list_machines;
pub mod prepare_provider;
pub mod reach_machines;
pub mod remove_nodes;
pub mod stage_k3s;
pub mod start_machines;
pub mod stop_machines;
pub mod unmerge_kubeconfig;
pub mod write_kubeconfig;
