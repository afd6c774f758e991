//! The embedded rehearsal cluster: machines that are records, and a Kubernetes API whose controllers are real
//! enough to practise with, though no container runs.

<<<<<<< HEAD
pub mod faults;
pub mod kubeconfig;
pub mod pki;
pub mod protocol;
=======
pub mod api;
pub mod object;
pub mod pki;
>>>>>>> api
pub mod resource;
pub mod store;
