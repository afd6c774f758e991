//! The embedded rehearsal cluster: machines that are records, and a Kubernetes API whose controllers are real
//! enough to practise with, though no container runs.

pub mod faults;
pub mod kubeconfig;
pub mod pki;
pub mod protocol;
pub mod resource;
pub mod store;
