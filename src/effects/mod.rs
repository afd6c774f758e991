//! The outside world behind traits: machines, the Kubernetes API, this computer, the state directory.

pub mod computer;
pub mod host;
pub mod kube;
pub mod kube_client;
pub mod kubeconfig;
pub mod manifest_files;
pub mod ssh;
pub mod state_directory;
