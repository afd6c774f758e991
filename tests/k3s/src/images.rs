//! The node's images: archives are taken apart into blobs, and each image is a name for some of them.

mod archive;
mod store;

pub mod commands;
pub mod preload;

pub use store::{Image, Images};
