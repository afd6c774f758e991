//! The embedded rehearsal cluster: machines that are records, and a Kubernetes API whose controllers are real
//! enough to practise with, though no container runs.

pub mod object;
pub mod resource;
pub mod store;
