//! Runs whose events are kept, for tests.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use super::{Canceller, Event, EventKind, Run, Sink, Step};

pub const STEP: Step = Step { id: "wait", title: "Wait" };

/// Keeps what happened.
#[derive(Clone, Default)]
pub struct Recorded(Rc<RefCell<Vec<EventKind>>>);

impl Sink for Recorded {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        self.0.borrow_mut().push(event.kind.clone());
        Ok(())
    }
}

impl Recorded {
    pub fn count(&self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        self.0.borrow().iter().filter(|kind| wanted(kind)).count()
    }
}

pub fn run(events: &Recorded, timeout: Option<Duration>) -> (Canceller, Run) {
    let (canceller, cancel) = Canceller::new();
    (canceller, Run::new(vec![Box::new(events.clone())], cancel, timeout))
}
