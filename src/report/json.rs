use std::io::{self, Write};

use crate::engine::{Event, Sink};

/// One event per line as JSON: for programs, and the log of a run.
pub struct JsonLines<W>(pub W);

impl<W: Write> Sink for JsonLines<W> {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.0.write_all(&line)?;
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::EventKind, report::sample};

    fn lines(events: &[Event]) -> String {
        let mut out = Vec::new();
        let mut json = JsonLines(&mut out);
        for event in events {
            json.on_event(event).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_format_is_stable() {
        let kinds = |event: &Event| !matches!(event.kind, EventKind::Progressed { done: 2.., .. });
        let events: Vec<_> = [sample::success(), sample::failure(), sample::interrupted(), sample::checks()].concat();
        insta::assert_snapshot!(lines(&events.into_iter().filter(kinds).collect::<Vec<_>>()));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for events in sample::damaged() {
            let read: Vec<Event> = lines(&events).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(read, events);
        }
    }

    #[test]
    fn an_event_of_a_newer_version_is_unknown_and_no_error() {
        let line = r#"{"v":1,"seq":7,"at":"2030-01-01T00:00:00Z","kind":"cloud_moved","cloud":9}"#;
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(event.kind, EventKind::Unknown);
    }
}
