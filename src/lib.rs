//! From nothing to a running application on a K3s cluster, and back.

pub mod cli;
pub mod config;
pub mod effects;
pub mod engine;
pub mod failure;
pub mod flows;
pub mod model;
pub mod plan;
pub mod providers;
pub mod rehearsal;
pub mod report;
pub mod steps;
