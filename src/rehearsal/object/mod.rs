//! What the Kubernetes API does with objects, as pure functions on JSON: patches, server-side apply, defaults,
//! validation and tables.

pub mod apply;
pub mod decode;
pub mod defaults;
pub mod fields;
pub mod managed;
pub mod patch;
pub mod quantity;
pub mod read;
pub mod schema;
pub mod status;
pub mod strategic;
pub mod table;
pub mod validate;
