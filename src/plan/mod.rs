//! Pure data: what a configuration asks for, and what would have to change.

pub mod cluster;
<<<<<<< HEAD
<<<<<<< HEAD
pub mod k3s;
pub mod manifests;
pub mod real;
=======
pub mod diagnosis;
pub mod manifests;
pub mod rollout;
pub mod selector;
pub mod stack;
>>>>>>> stack
=======
pub mod resolve;

pub use resolve::resolve;
>>>>>>> config
