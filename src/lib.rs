//! From nothing to a running application on a K3s cluster, and back.

pub mod effects;
pub mod engine;
pub mod failure;
pub mod model;
pub mod plan;
pub mod rehearsal;
pub mod steps;
