//! The embedded rehearsal cluster: machines that are records, and a Kubernetes API whose controllers are real
//! enough to practise with, though no container runs.

pub mod admission;
pub mod api;
pub mod clock;
pub mod control;
pub mod faults;
pub mod k3s;
pub mod kubeconfig;
pub mod machines;
pub mod object;
pub mod pki;
pub mod process;
pub mod protocol;
pub mod resource;
pub mod store;
