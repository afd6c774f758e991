//! Runs steps, bounds and cancels them, and tells what happens as events. Knows nothing of K3s or of screens.

mod cancel;
pub mod event;
mod retry;
mod run;
mod scope;
#[cfg(test)]
pub mod testing;

pub use cancel::{Cancel, Canceller};
pub use event::{Event, EventKind, Outcome};
pub use run::{Ending, Run, Sink, Step};
pub use scope::{Named, Patience, Scope, Seen};
