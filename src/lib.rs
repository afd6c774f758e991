//! From nothing to a running application on a K3s cluster, and back.

pub mod config;
pub mod failure;
pub mod model;
pub mod plan;
pub mod rehearsal;
