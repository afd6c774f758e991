//! The state of what this service depends on, told once per change.

use std::sync::{Mutex, PoisonError};

use tracing::{info, warn};

pub struct Link {
    name: String,
    last: Mutex<Option<Result<(), String>>>,
}

impl Link {
    /// `name` says what it is and where, such as `PostgreSQL at inventory-database:5432`.
    pub fn new(name: String) -> Self {
        Self { name, last: Mutex::new(None) }
    }

    /// Notes that it answers, or why it does not; logs a line where that is news.
    pub fn report(&self, state: Result<(), String>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(&state) {
            return;
        }
        match &state {
            Ok(()) => info!("{} answers", self.name),
            Err(reason) => warn!("{} does not answer: {reason}", self.name),
        }
        *last = Some(state);
    }

    /// Returns why it is not there, if it is not.
    pub fn trouble(&self) -> Option<String> {
        match &*self.last.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Some(format!("{} was not reached yet", self.name)),
            Some(Ok(())) => None,
            Some(Err(reason)) => Some(format!("{} does not answer: {reason}", self.name)),
        }
    }
}
