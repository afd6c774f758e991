//! The outside world behind traits: machines, the Kubernetes API, this computer, the state directory.

pub mod boots;
pub mod certificate_authority;
pub mod computer;
pub mod ec2;
pub mod exec;
#[cfg(test)]
pub mod fake_kube;
pub mod host;
pub mod images;
pub mod k3s_release;
pub mod kube;
pub mod kube_client;
pub mod kubeconfig;
pub mod lock;
pub mod machines_key;
pub mod manifest_files;
pub mod public_address;
pub mod remote_host;
pub mod ssh;
pub mod state_directory;
