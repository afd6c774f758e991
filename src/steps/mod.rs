//! One verb per file: each checks first, acts second, and says whether it changed anything.

pub mod deploy;
