//! One verb per file: checks first, acts second, tells what it did.

pub mod build_images;
pub mod check_provider;
pub mod checks;
pub mod create_machines;
pub mod deliver_images;
pub mod deploy;
pub mod destroy_machines;
pub mod k3s;
pub mod list_machines;
pub mod prepare_provider;
pub mod reach_machines;
pub mod start_machines;
pub mod stop_machines;
pub mod unmerge_kubeconfig;
